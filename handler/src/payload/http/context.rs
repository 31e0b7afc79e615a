use std::fmt;

use serde_json::{Map, Value};
use setpiece_envelope::{Violation, json::Scanner};

use crate::delivery::fact;

/// Facts about a request that its entrance vouches for, unlike headers, which a client writes.
///
/// An entrance fills in what it knows; an Application Load Balancer knows none of it.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestContext {
    /// Names the request. It is new when a client asks again.
    pub request_id: Option<Box<str>>,
    /// The route that was matched, such as `GET /orders/{id}` or `$default`.
    pub route_key: Option<Box<str>>,
    /// The stage of the API.
    pub stage: Option<Box<str>>,
    /// The API, or the id of the function URL.
    pub api_id: Option<Box<str>>,
    /// The address that the request came from.
    ///
    /// There is none behind a load balancer, which appends it to `x-forwarded-for`, nor in VPC
    /// Lattice.
    pub source_ip: Option<Box<str>>,
    /// Proof of who asks; `None` where the entrance has not asked for any.
    pub authorizer: Option<Authorizer>,
}

/// Proof of who asks, as the entrance has verified it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Authorizer {
    /// A token of `OpenID` Connect: the JWT authorizer of an HTTP API, or the Cognito authorizer of a
    /// REST API.
    Jwt {
        /// The claims. REST APIs and HTTP APIs give all values as texts.
        claims: Map<String, Value>,
        /// The scopes of the token that the route asks for.
        scopes: Vec<String>,
    },
    /// A request that was signed for IAM.
    Iam(IamIdentity),
    /// A Lambda function has decided.
    Lambda {
        /// The principal that it named. An HTTP API does not pass it on.
        principal: Option<Box<str>>,
        /// Other members of the authorizer.
        context: Map<String, Value>,
    },
}

/// Identity of who has signed a request for IAM.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct IamIdentity {
    /// The account.
    pub account: Option<Box<str>>,
    /// The ARN of the user or of the assumed role.
    pub arn: Option<Box<str>>,
    /// The unique id of the user, or of the role with the name of its session.
    pub user_id: Option<Box<str>>,
    /// The identity in a Cognito identity pool. All identities of a pool have one ARN.
    pub cognito_identity: Option<Box<str>>,
    /// The session of the role, where it is not in the ARN.
    pub session: Option<Box<str>>,
    /// The organization of the principal.
    pub organization: Option<Box<str>>,
}

impl RequestContext {
    /// Names who asks, for ever and apart from everybody else: who vouches for it, and the name
    /// there.
    pub(crate) fn caller(&self) -> Option<[&str; 3]> {
        // Without an issuer, a name says something within one API only.
        let api = self.api_id.as_deref();
        match self.authorizer.as_ref()? {
            Authorizer::Jwt { claims, .. } => {
                let claim = |name| claims.get(name).and_then(Value::as_str).and_then(filled);
                Some(["jwt", claim("iss").or(api)?, claim("sub")?])
            }
            Authorizer::Iam(identity) => {
                let cognito = identity.cognito_identity.as_deref().and_then(filled);
                let session = identity.session.as_deref().and_then(filled);
                match (cognito, identity.arn.as_deref().and_then(filled), session) {
                    (Some(id), _, _) => Some(["iam", "cognito", id]),
                    // Whoever may assume a role has the same one.
                    (None, arn, Some(session)) => Some(["iam session", session, arn?]),
                    (None, arn, None) => Some(["iam", "arn", arn?]),
                }
            }
            Authorizer::Lambda { principal, .. } => {
                Some(["lambda", api?, principal.as_deref().and_then(filled)?])
            }
        }
    }

    pub(super) fn read(
        &mut self,
        scanner: &mut Scanner<'_>,
        method: &mut Option<Box<str>>,
    ) -> Result<(), Violation> {
        let mut identity = IamIdentity::default();
        let (mut authorizer, mut principal, mut kind) = (None, None, None);
        scanner.members(|scanner, member| {
            match (member, scanner.kind()) {
                ("requestId", _) => self.request_id = text(scanner)?,
                ("routeKey", _) => self.route_key = text(scanner)?,
                ("stage", _) => self.stage = text(scanner)?,
                ("apiId", _) => self.api_id = text(scanner)?,
                ("http", "an object") => scanner.members(|scanner, member| {
                    match member {
                        "method" => *method = Some(scanner.string()?.into()),
                        "sourceIp" => self.source_ip = text(scanner)?,
                        _ => drop(scanner.skip()?),
                    }
                    Ok(())
                })?,
                ("identity", "an object") => scanner.members(|scanner, member| {
                    match member {
                        "sourceIp" => self.source_ip = text(scanner)?,
                        "type" => kind = text(scanner)?,
                        "principal" => principal = text(scanner)?,
                        _ => identity.read(scanner, member)?,
                    }
                    Ok(())
                })?,
                ("authorizer", "an object") => authorizer = Authorizer::read(scanner)?,
                _ => drop(scanner.skip()?),
            }
            Ok(())
        })?;
        identity.session = identity.session.filter(|_| principal.is_some());
        if kind.as_deref() == Some("AWS_IAM") {
            identity.arn = principal.or(identity.arn);
        }
        let signed = identity.arn.is_some() || identity.cognito_identity.is_some();
        self.authorizer = authorizer.or_else(|| signed.then_some(Authorizer::Iam(identity)));
        Ok(())
    }
}

impl Authorizer {
    fn read(scanner: &mut Scanner<'_>) -> Result<Option<Self>, Violation> {
        let mut authorizer = None;
        let mut principal = None;
        let mut context = Map::new();
        scanner.members(|scanner, member| {
            match (member, scanner.kind()) {
                ("jwt", "an object") => {
                    let mut claims = Map::new();
                    let mut scopes = Vec::new();
                    scanner.members(|scanner, member| {
                        match (member, scanner.kind()) {
                            ("claims", "an object") => claims = object(scanner)?,
                            ("scopes", "an array") => scanner.array(|scanner| {
                                scopes.extend(text(scanner)?.map(String::from));
                                Ok(())
                            })?,
                            _ => drop(scanner.skip()?),
                        }
                        Ok(())
                    })?;
                    authorizer = Some(Self::Jwt { claims, scopes });
                }
                ("iam", "an object") => {
                    let mut identity = IamIdentity::default();
                    scanner.members(|scanner, member| identity.read(scanner, member))?;
                    authorizer = Some(Self::Iam(identity));
                }
                ("lambda", "an object") => {
                    let context = object(scanner)?;
                    authorizer = Some(Self::Lambda { principal: None, context });
                }
                // The values of a Lambda authorizer are never objects.
                ("claims", "an object") => {
                    authorizer = Some(Self::Jwt { claims: object(scanner)?, scopes: Vec::new() });
                }
                ("principalId", _) => principal = text(scanner)?,
                _ => drop(context.insert(member.to_owned(), value(scanner)?)),
            }
            Ok(())
        })?;
        let said = principal.is_some() || !context.is_empty();
        Ok(authorizer.or_else(|| said.then_some(Self::Lambda { principal, context })))
    }
}

impl IamIdentity {
    fn read(&mut self, scanner: &mut Scanner<'_>, member: &str) -> Result<(), Violation> {
        match (member, scanner.kind()) {
            ("accountId", _) => self.account = text(scanner)?,
            ("userArn", _) => self.arn = text(scanner)?,
            ("userId" | "caller", _) => self.user_id = text(scanner)?,
            ("sessionName", _) => self.session = text(scanner)?,
            ("cognitoIdentityId", _) => self.cognito_identity = text(scanner)?,
            ("principalOrgId" | "principalOrgID", _) => self.organization = text(scanner)?,
            ("cognitoIdentity", "an object") => scanner.members(|scanner, member| {
                match member {
                    "identityId" => self.cognito_identity = text(scanner)?,
                    _ => drop(scanner.skip()?),
                }
                Ok(())
            })?,
            _ => drop(scanner.skip()?),
        }
        Ok(())
    }
}

fn filled(text: &str) -> Option<&str> {
    (!text.trim().is_empty()).then_some(text)
}

/// A text that says something. Anything else is no reason to refuse a request.
fn text(scanner: &mut Scanner<'_>) -> Result<Option<Box<str>>, Violation> {
    if scanner.kind() != "a string" {
        return scanner.skip().map(|_| None);
    }
    Ok(fact(&scanner.string()?))
}

fn value(scanner: &mut Scanner<'_>) -> Result<Value, Violation> {
    // What `serde_json` cannot read, such as a number beyond its floats, says nothing.
    Ok(serde_json::from_str(scanner.skip()?).unwrap_or_default())
}

fn object(scanner: &mut Scanner<'_>) -> Result<Map<String, Value>, Violation> {
    Ok(match value(scanner)? {
        Value::Object(members) => members,
        _ => Map::new(),
    })
}

impl fmt::Debug for RequestContext {
    /// Shows neither address nor identity.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestContext")
            .field("request_id", &self.request_id)
            .field("route_key", &self.route_key)
            .field("stage", &self.stage)
            .field("authorizer", &self.authorizer)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Authorizer {
    /// Shows the kind only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Jwt { .. } => "Jwt(…)",
            Self::Iam(_) => "Iam(…)",
            Self::Lambda { .. } => "Lambda(…)",
        })
    }
}

impl fmt::Debug for IamIdentity {
    /// Shows nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IamIdentity(…)")
    }
}

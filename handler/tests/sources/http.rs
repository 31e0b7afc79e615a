//! Requests over HTTP: their entrances, what those know, and the form of the answer.

use serde_json::{Value, json};
use setpiece_handler::{
    Authorizer, Content, HttpForm, HttpRequest, HttpResponse, InvalidResponse, Invocation, Source,
    UnknownShape,
};

fn request(json: &Value) -> HttpRequest {
    let json = json.to_string();
    let invocation = Invocation::read(json.as_bytes()).unwrap();
    let Source::Http(form) = invocation.source else { panic!("{:?}", invocation.source) };
    let content = invocation.deliveries[0].open().unwrap().content;
    let Content::Http(request) = content else { panic!("{content:?}") };
    assert_eq!(request.form, form);
    request
}

fn v2(context: &Value) -> Value {
    json!({ "version": "2.0", "routeKey": "GET /x", "rawPath": "/x", "rawQueryString": "",
        "headers": {}, "requestContext": context, "isBase64Encoded": false })
}

fn v1(context: &Value) -> Value {
    json!({ "httpMethod": "GET", "resource": "/x/{id}", "path": "/x/1", "headers": {},
        "requestContext": context })
}

#[test]
fn a_token_reaches_the_handler() {
    let http = json!({ "method": "GET", "path": "/x", "sourceIp": "192.0.2.1" });
    let request = request(&v2(&json!({
        "http": http, "requestId": "r-1", "stage": "$default", "apiId": "a-1",
        "routeKey": "GET /x",
        "authorizer": { "jwt": { "claims": { "sub": "u-1" }, "scopes": ["read"] } },
    })));
    assert_eq!(request.context.request_id.as_deref(), Some("r-1"));
    assert_eq!(request.context.route_key.as_deref(), Some("GET /x"));
    assert_eq!(request.context.stage.as_deref(), Some("$default"));
    assert_eq!(request.context.api_id.as_deref(), Some("a-1"));
    assert_eq!(request.context.source_ip.as_deref(), Some("192.0.2.1"));
    let Some(Authorizer::Jwt { claims, scopes }) = &request.context.authorizer else {
        panic!("{:?}", request.context)
    };
    assert_eq!((&claims["sub"], &scopes[..]), (&json!("u-1"), &["read".to_owned()][..]));
    let shown = format!("{request:?}");
    assert!(!shown.contains("u-1") && !shown.contains("192.0.2.1"), "{shown}");
}

#[test]
fn each_authorizer_of_a_rest_api_reaches_the_handler() {
    let identity = json!({ "sourceIp": "192.0.2.1", "userArn": null, "cognitoIdentityId": null });
    let of = |authorizer: Value| {
        let context = json!({ "stage": "prod", "identity": identity, "authorizer": authorizer });
        request(&v1(&context)).context
    };
    let context = of(json!({ "claims": { "sub": "u-1" } }));
    assert!(
        matches!(&context.authorizer, Some(Authorizer::Jwt { claims, .. }) if claims["sub"] == "u-1")
    );
    assert_eq!(context.route_key.as_deref(), Some("GET /x/{id}"));
    assert_eq!(context.source_ip.as_deref(), Some("192.0.2.1"));
    let context = of(json!({ "principalId": "p-1", "plan": "gold", "integrationLatency": 3 }));
    let Some(Authorizer::Lambda { principal, context }) = context.authorizer else { panic!() };
    assert_eq!((principal.as_deref(), &context["plan"]), (Some("p-1"), &json!("gold")));
    assert_eq!(of(Value::Null).authorizer, None);

    let signed = json!({ "identity": { "userArn": "arn:u", "accountId": "1", "caller": "AIDA" } });
    let Some(Authorizer::Iam(identity)) = request(&v1(&signed)).context.authorizer else {
        panic!()
    };
    assert_eq!(identity.arn.as_deref(), Some("arn:u"));
    assert_eq!(identity.account.as_deref(), Some("1"));
    assert_eq!(identity.user_id.as_deref(), Some("AIDA"));
}

#[test]
fn what_is_odd_in_a_context_is_no_reason_to_refuse() {
    let context = json!({
        "requestId": 7, "stage": {}, "identity": [], "authorizer": "x",
        "http": { "method": "GET", "sourceIp": null },
    });
    let request = request(&v2(&context));
    assert_eq!(request.context.request_id, None);
    assert_eq!(request.context.authorizer, None);
}

fn alb(headers: &str, query: &str) -> Value {
    let mut alb = json!({
        "requestContext": { "elb": { "targetGroupArn": "arn" } },
        "httpMethod": "GET", "path": "/a%20b", "body": "", "isBase64Encoded": false,
    });
    let several = headers.starts_with("multi");
    let texts = |text: &str| if several { json!([text]) } else { json!(text) };
    alb[headers] = json!({ "user-agent": texts("ELB-HealthChecker/2.0") });
    alb[query] = json!({ "q%5B%5D": texts("x%20y+z") });
    alb
}

#[test]
fn a_load_balancer_has_forms_of_its_own() {
    for (json, form) in [
        (alb("headers", "queryStringParameters"), HttpForm::Alb),
        (alb("multiValueHeaders", "multiValueQueryStringParameters"), HttpForm::AlbMultiValue),
    ] {
        let request = request(&json);
        assert_eq!((request.form, &*request.method), (form, "GET"));
        assert_eq!(request.path, "/a%20b");
        assert_eq!(request.header("user-agent"), Some("ELB-HealthChecker/2.0"));
        assert_eq!(request.query, [("q[]".to_owned(), "x y z".to_owned())]);
        assert_eq!(request.context.authorizer, None);
    }
}

fn lattice(identity: &Value) -> Value {
    json!({
        "version": "2.0", "path": "/x", "method": "PUT", "headers": { "x-a": ["1", "2"] },
        "queryStringParameters": { "q": ["a", "b"] }, "body": "e30=", "isBase64Encoded": true,
        "requestContext": {
            "serviceNetworkArn": "arn:n", "serviceArn": "arn:s", "targetGroupArn": "arn:t",
            "identity": identity, "region": "us-east-1", "timeEpoch": "1690497599177430",
        },
    })
}

#[test]
fn vpc_lattice_has_a_form_of_its_own() {
    let signed = json!({ "type": "AWS_IAM", "principal": "arn:p", "principalOrgID": "o-1",
        "sessionName": "s-1" });
    let request = request(&lattice(&signed));
    assert_eq!((request.form, &*request.method, &*request.path), (HttpForm::Lattice, "PUT", "/x"));
    assert_eq!((request.headers.len(), request.query.len()), (2, 2));
    assert_eq!(request.body, b"{}");
    let Some(Authorizer::Iam(identity)) = request.context.authorizer else { panic!() };
    assert_eq!(identity.arn.as_deref(), Some("arn:p"));
    assert_eq!(identity.session.as_deref(), Some("s-1"));
    assert_eq!(identity.organization.as_deref(), Some("o-1"));
}

#[test]
fn vpc_lattice_vouches_for_nobody_who_has_not_signed() {
    for identity in [json!({}), json!({ "principal": "arn:p" }), json!({ "type": "AWS_IAM" })] {
        assert_eq!(request(&lattice(&identity)).context.authorizer, None, "{identity}");
    }
}

#[test]
fn what_is_not_handled_is_refused_by_name() {
    let socket = json!({ "requestContext": { "routeKey": "$connect", "eventType": "CONNECT",
        "connectionId": "c-1" }, "headers": {}, "isBase64Encoded": false });
    let message = json!({ "requestContext": { "routeKey": "$default", "connectionId": "c-1" },
        "body": "secret", "isBase64Encoded": false });
    let old = json!({ "raw_path": "/x", "method": "GET", "headers": {}, "body": "",
        "query_string_parameters": {}, "is_base64_encoded": false });
    for (json, name) in [(socket, "WebSocket"), (message, "WebSocket"), (old, "VPC Lattice")] {
        let error = Invocation::read(json.to_string().as_bytes()).unwrap_err();
        assert!(matches!(error, UnknownShape::Unsupported { .. }), "{error:?}");
        let told = error.to_string();
        assert!(told.contains(name) && !told.contains("secret"), "{told}");
    }
}

#[test]
fn too_many_headers_are_refused() {
    let many: serde_json::Map<_, _> = (0..10_001).map(|n| (format!("h{n}"), json!(""))).collect();
    let json = json!({ "httpMethod": "GET", "path": "/", "requestContext": {}, "headers": many });
    let json = json.to_string();
    let invocation = Invocation::read(json.as_bytes()).unwrap();
    invocation.deliveries[0].open().unwrap_err();
}

#[test]
fn a_load_balancer_is_answered_in_its_form() {
    let response = HttpResponse::new(404).with_header("Vary", "a").with_header("vary", "b");
    let json = |response: &HttpResponse, form| -> Value {
        serde_json::from_str(&response.to_json(form).unwrap()).unwrap()
    };
    for form in [HttpForm::Alb, HttpForm::Lattice] {
        assert_eq!(
            json(&response, form),
            json!({ "statusCode": 404, "statusDescription": "404 Not Found",
                "headers": { "vary": "a, b" }, "body": "", "isBase64Encoded": false })
        );
    }
    let cookies = response.with_header("set-cookie", "a=1").with_header("Set-Cookie", "b=2");
    assert_eq!(
        json(&cookies, HttpForm::AlbMultiValue),
        json!({ "statusCode": 404, "statusDescription": "404 Not Found",
            "multiValueHeaders": { "vary": ["a", "b"], "set-cookie": ["a=1", "b=2"] },
            "body": "", "isBase64Encoded": false })
    );
    for form in [HttpForm::Alb, HttpForm::Lattice] {
        assert_eq!(cookies.to_json(form), Err(InvalidResponse::SeveralCookies));
    }
}

#[test]
fn a_response_that_http_does_not_have_is_refused() {
    let with = |name: &str, value: &str| {
        HttpResponse::new(200).with_header("a", "b").with_header(name, value)
    };
    let name = InvalidResponse::HeaderName { index: 1 };
    let value = InvalidResponse::HeaderValue { index: 1 };
    let status = |status| (HttpResponse::new(status), InvalidResponse::Status { status });
    for (response, error) in [
        (with("", "x"), name),
        (with("x y", "x"), name),
        (with("x:", "x"), name),
        (with("x\r\nset-cookie", "x"), name),
        (with("é", "x"), name),
        (with("x", "a\r\nset-cookie: b"), value),
        (with("x", "a\nb"), value),
        (with("x", "a\rb"), value),
        (with("x", "a\0b"), value),
        (with("x", "\u{7f}"), value),
        (with("x", "é"), value),
        (with("x", "\u{2028}"), value),
        status(0),
        status(100),
        status(199),
        status(600),
        status(u16::MAX),
    ] {
        for form in [HttpForm::V1, HttpForm::V2, HttpForm::Alb, HttpForm::Lattice] {
            assert_eq!(response.to_json(form), Err(error));
        }
    }
    for response in [HttpResponse::new(599), with("x-!#$%&'*+.^_`|~9", "a\t b; c=\"~\"")] {
        response.to_json(HttpForm::V2).unwrap();
    }
}

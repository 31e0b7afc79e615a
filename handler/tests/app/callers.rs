//! Who is given a stored answer, and who is not.

use serde_json::{Value, json};
use setpiece_handler::{Cx, Effects, HttpRequest, HttpResponse, Reply, RequestKey};
use setpiece_idempotency::{Key, KeyError};
use setpiece_policy::Fault;

use crate::shop::{Loyalty, Shop};

async fn open(cx: &Cx<Loyalty>, request: HttpRequest) -> Result<Reply<HttpResponse>, Fault> {
    let mut calls = cx.state.order.lock().unwrap();
    calls.push(request.path);
    let cookie = format!("session={}", calls.len());
    Ok(Reply::new(HttpResponse::new(200).with_header("set-cookie", cookie)))
}

async fn take(cx: &Cx<Loyalty>, request: HttpRequest) -> Result<Effects, Fault> {
    cx.state.order.lock().unwrap().push(request.path);
    Ok(Effects::none())
}

fn asked(method: &str, path: &str, context: &Value) -> Vec<u8> {
    let mut context = context.clone();
    context["http"] = json!({ "method": method, "path": path });
    let request = json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "",
        "headers": { "idempotency-key": "k-1" }, "requestContext": context, "body": "{}",
    });
    request.to_string().into_bytes()
}

fn asked_v1(context: &Value) -> Vec<u8> {
    let headers = json!({ "Idempotency-Key": "k-1" });
    let request = json!({ "httpMethod": "POST", "resource": "/a", "path": "/a", "headers": headers,
        "requestContext": context, "body": "{}" });
    request.to_string().into_bytes()
}

fn jwt(issuer: &str, subject: &str) -> Value {
    json!({ "authorizer": { "jwt": { "claims": { "iss": issuer, "sub": subject } } } })
}

/// How many of the requests are run, with the handler's own way to make keys.
async fn runs<K>(
    key: impl Fn(&HttpRequest) -> Result<K, KeyError> + Send + Sync + 'static,
    requests: &[Vec<u8>],
) -> usize
where
    K: Into<RequestKey> + 'static,
{
    let shop = Shop::new();
    let app = shop.app_of(shop.handlers().on_request(key, open)).build().unwrap();
    let mut cookies = Vec::new();
    for request in requests {
        let answer = app.invoke(request, shop.deadline()).await.unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["statusCode"], 200);
        cookies.push(answer["cookies"].to_string() + &answer["multiValueHeaders"].to_string());
    }
    cookies.sort();
    cookies.dedup();
    let runs = shop.state.order.lock().unwrap().len();
    assert_eq!(cookies.len(), runs, "each run has an answer of its own");
    runs
}

#[tokio::test(start_paused = true)]
async fn a_stored_answer_goes_to_its_caller_on_its_route_only() {
    let alice = jwt("https://idp", "alice");
    let requests = [
        asked("POST", "/account", &alice),
        asked("POST", "/account", &jwt("https://idp", "mallory")),
        asked("POST", "/account", &jwt("https://other", "alice")),
        asked("POST", "/transfer", &alice),
        asked("PUT", "/account", &alice),
    ];
    assert_eq!(runs(HttpRequest::idempotency_key, &requests).await, requests.len());
    let twice: Vec<_> = requests.iter().chain(&requests).cloned().collect();
    assert_eq!(runs(HttpRequest::idempotency_key, &twice).await, requests.len());
    let own = |request: &HttpRequest| Key::of(request.header("idempotency-key").unwrap_or(""));
    assert_eq!(runs(own, &twice).await, requests.len());
}

#[tokio::test(start_paused = true)]
async fn each_entrance_tells_its_callers_apart() {
    let iam = |arn: &str| json!({ "authorizer": { "iam": { "userArn": arn } } });
    let pool = |id: &str| {
        // All identities of a pool have one role.
        let role = "arn:aws:sts::111122223333:assumed-role/r/CognitoIdentityCredentials";
        json!({ "authorizer": { "iam": { "userArn": role, "cognitoIdentity": { "identityId": id } } } })
    };
    for [one, other] in [[iam("arn:a"), iam("arn:b")], [pool("id-a"), pool("id-b")]] {
        let requests = [asked("POST", "/a", &one), asked("POST", "/a", &other)];
        assert_eq!(runs(HttpRequest::idempotency_key, &requests).await, 2, "{one}");
    }
    let signed = |arn: &str, pool: Value| json!({ "identity": { "userArn": arn, "cognitoIdentityId": pool, "sourceIp": "192.0.2.1" } });
    let named =
        |api: &str, name: &str| json!({ "apiId": api, "authorizer": { "principalId": name } });
    let claims = |sub: &str| json!({ "authorizer": { "claims": { "iss": "i", "sub": sub } } });
    for [one, other] in [
        [signed("arn:a", Value::Null), signed("arn:b", Value::Null)],
        [signed("arn:a", "id-a".into()), signed("arn:a", "id-b".into())],
        [named("api", "a"), named("api", "b")],
        // A Lambda authorizer speaks for its own API.
        [named("api", "a"), named("another", "a")],
        [claims("a"), claims("b")],
    ] {
        let requests = [asked_v1(&one), asked_v1(&other), asked_v1(&one)];
        assert_eq!(runs(HttpRequest::idempotency_key, &requests).await, 2, "{one}");
    }
}

/// A role of VPC Lattice is that of all who may assume it.
#[tokio::test(start_paused = true)]
async fn sessions_of_one_role_are_several_callers() {
    let shop = Shop::new();
    let handlers = shop.handlers().on_request(HttpRequest::idempotency_key, open);
    let app = shop.app_of(handlers).build().unwrap();
    for session in ["a", "b", "a"] {
        let identity = json!({ "type": "AWS_IAM", "principal": "arn:r", "sessionName": session });
        let request = json!({
            "version": "2.0", "method": "POST", "path": "/a", "body": "{}",
            "headers": { "idempotency-key": ["k-1"] },
            "requestContext": { "serviceNetworkArn": "arn:n", "identity": identity },
        });
        let answer = app.invoke(request.to_string().as_bytes(), shop.deadline()).await.unwrap();
        assert!(answer.contains(r#""statusDescription":"200 OK""#), "{answer}");
    }
    assert_eq!(shop.state.order.lock().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_request_without_a_caller_is_not_run() {
    let shop = Shop::new();
    let handlers = shop.handlers().on_request(HttpRequest::idempotency_key, open);
    let app = shop.app_of(handlers).build().unwrap();
    for context in [
        json!({}),
        json!({ "authorizer": {} }),
        json!({ "authorizer": { "jwt": { "claims": { "iss": "https://idp" } } } }),
        json!({ "authorizer": { "jwt": { "claims": { "iss": "https://idp", "sub": " " } } } }),
        json!({ "authorizer": { "jwt": { "claims": { "sub": "without an issuer" } } } }),
        json!({ "authorizer": { "iam": {} } }),
        json!({ "authorizer": { "lambda": { "sub": "whatever the function calls it" } } }),
    ] {
        let answer = app.invoke(&asked("POST", "/a", &context), shop.deadline()).await.unwrap();
        assert!(answer.starts_with(r#"{"statusCode":500"#), "{context}: {answer}");
    }
    assert!(shop.state.order.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_service_says_itself_who_asks() {
    let header = |request: &HttpRequest| Key::of(request.header("idempotency-key").unwrap_or(""));
    let with_user = |user: &str, path: &str| {
        asked("POST", path, &json!({ "authorizer": { "lambda": { "user": user } } }))
    };
    let requests = [
        with_user("alice", "/a"),
        with_user("mallory", "/a"),
        with_user("alice", "/b"),
        with_user("alice", "/a"),
    ];
    let of_caller = move |request: &HttpRequest| {
        let Some(setpiece_handler::Authorizer::Lambda { context, .. }) =
            &request.context.authorizer
        else {
            return Err(KeyError::Missing);
        };
        RequestKey::of_caller(header(request)?, &context["user"].as_str())
    };
    assert_eq!(runs(of_caller, &requests).await, 3);
    let anonymous = move |request: &HttpRequest| header(request).map(RequestKey::anonymous);
    assert_eq!(runs(anonymous, &requests).await, 2);
    let unscoped = move |request: &HttpRequest| header(request).map(RequestKey::unscoped);
    assert_eq!(runs(unscoped, &requests).await, 1);
}

#[tokio::test(start_paused = true)]
async fn who_only_takes_requests_keeps_callers_apart_as_well() {
    let shop = Shop::new();
    let handlers = shop.handlers().on_payload_by(HttpRequest::idempotency_key, take);
    let app = shop.app_of(handlers).build().unwrap();
    for subject in ["alice", "mallory", "alice"] {
        let request = asked("POST", "/a", &jwt("https://idp", subject));
        app.invoke(&request, shop.deadline()).await.unwrap();
    }
    assert_eq!(shop.state.order.lock().unwrap().len(), 2);
}

#[test]
fn the_header_of_a_key_is_read_as_the_draft_has_it() {
    let request = |keys: &[&str]| {
        let request = HttpRequest::new("POST", "/a").with_body("{}");
        keys.iter().fold(request, |request, key| request.with_header("Idempotency-Key", *key))
    };
    let key = |keys: &[&str]| request(keys).idempotency_key();
    assert_eq!(key(&["k-1"]), key(&[r#" "k-1" "#]));
    assert_ne!(key(&["k-1"]), key(&["k-2"]));
    assert_ne!(key(&["k-1"]), request(&["k-1"]).with_body("{ }").idempotency_key());
    assert_ne!(key(&["k-1"]), request(&["k-1"]).with_query("a", "b").idempotency_key());
    assert_eq!(key(&[]), Err(KeyError::Missing));
    assert_eq!(key(&[r#""""#]), Err(KeyError::Empty));
    assert_eq!(key(&["k-1", "k-2"]), Err(KeyError::NotOne));
    assert_eq!(key(&[&"k".repeat(256)]), Err(KeyError::NotOne));
    assert!(key(&[&"k".repeat(255)]).is_ok());
}

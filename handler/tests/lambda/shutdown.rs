//! Lambda ends the process.

use crate::{
    function::{Ask, LAST_PORT},
    runtime_api::Function,
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader},
    net::TcpListener,
    process::Command,
};

#[tokio::test]
async fn what_is_being_handled_is_answered_before_the_process_ends() {
    let meeting = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let last = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let last_port = last.local_addr().unwrap().port().to_string();
    let mut function = Function::start("run_until_shutdown", &[(LAST_PORT, &last_port)]).await;
    let mut log = BufReader::new(function.stderr()).lines();

    let meet = Ask::Meet(meeting.local_addr().unwrap().port());
    function.send(600_000, serde_json::to_string(&meet).unwrap());
    let (handler, _) = meeting.accept().await.unwrap();

    let terminate = format!("kill -TERM {}", function.process_id());
    assert!(Command::new("sh").args(["-c", &terminate]).status().await.unwrap().success());
    while log.next_line().await.unwrap().expect("it logs the signal")
        != "[runtime] SIGTERM received"
    {}

    // It would count, and is not begun any more.
    function.send(600_000, serde_json::to_string(&Ask::Count {}).unwrap());
    // The handler ends now, and not before.
    drop(handler);
    assert_eq!(function.answer().await.response(), r#""met""#);
    let (mut flushed, _) = last.accept().await.unwrap();
    let mut said = String::new();
    flushed.read_to_string(&mut said).await.unwrap();
    assert_eq!(said, "flushed");
    assert!(function.ended().await.success());
    assert!(function.has_answered_all());
}

#[tokio::test]
async fn an_idle_process_ends_at_once() {
    let last = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let last_port = last.local_addr().unwrap().port().to_string();
    let mut function = Function::start("run_until_shutdown", &[(LAST_PORT, &last_port)]).await;
    let count = serde_json::to_string(&Ask::Count {}).unwrap();
    assert_eq!(function.invoke(count).await.response(), "0");
    let terminate = format!("kill -TERM {}", function.process_id());
    assert!(Command::new("sh").args(["-c", &terminate]).status().await.unwrap().success());
    let (mut flushed, _) = last.accept().await.unwrap();
    flushed.read_to_string(&mut String::new()).await.unwrap();
    assert!(function.ended().await.success());
}

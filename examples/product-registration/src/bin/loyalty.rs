//! The service *loyalty* as a Lambda function.

use lambda_runtime::Error;
use product_registration::{
    lambda::{Config, run},
    services::loyalty::{LOYALTY, handlers},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let config = Config::from_env()?;
    run(LOYALTY, handlers(&config.table), config).await
}

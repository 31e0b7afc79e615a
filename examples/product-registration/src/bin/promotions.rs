//! The service *promotions* as a Lambda function.

use lambda_runtime::Error;
use product_registration::{
    lambda::{Config, run},
    services::promotions::{PROMOTIONS, handlers},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let config = Config::from_env()?;
    run(PROMOTIONS, handlers(&config.table), config).await
}

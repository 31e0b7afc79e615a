//! The service *products* as a Lambda function.

use lambda_runtime::Error;
use product_registration::{
    lambda::{Config, run},
    services::products::{PRODUCTS, handlers},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let config = Config::from_env()?;
    run(PRODUCTS, handlers(&config.table), config).await
}

//! The service *manufacturer* as a Lambda function.

use lambda_runtime::Error;
use product_registration::{
    lambda::{Config, run},
    services::manufacturer::{MANUFACTURER, handlers},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let config = Config::from_env()?;
    run(MANUFACTURER, handlers(&config.table), config).await
}

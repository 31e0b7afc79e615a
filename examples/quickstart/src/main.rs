//! The service as a Lambda function.

use quickstart::{LOYALTY, handlers};
use setpiece::lambda::{Function, StartError};

fn main() -> Result<(), StartError> {
    Function::new(LOYALTY, handlers("loyalty-points"))
        .with_bus("shop")
        .with_table("loyalty-idempotency")
        .run()
}

use setpiece_handler::{AppError, Cx, Effects, Received};

use crate::shop::{Loyalty, ProductRegistered, Shop, award_points};

#[tokio::test]
async fn handlers_have_names_of_their_own() {
    let shop = Shop::new();
    let closure = async |_: &Cx<Loyalty>, _: Received<ProductRegistered>| Ok(Effects::none());
    let error = shop.app_of(shop.handlers().on(closure)).build().unwrap_err();
    assert_eq!(error, AppError::Unnamed { takes: "product_registered" });

    let error = shop.app_of(shop.handlers().on(award_points).on(award_points)).build().unwrap_err();
    assert_eq!(error, AppError::SameName { name: "award_points".into() });

    let handlers = shop.handlers().on(award_points).on_named("award_more", award_points);
    let app = shop.app_of(handlers).build().unwrap();
    assert_eq!(format!("{app:?}"), r#"App { handlers: ["award_points", "award_more"], .. }"#);
}

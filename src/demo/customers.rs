//! The demo's customer: what it orders by mail, what the order system and the sales desk make of it, and what its supplier
//! answers at last.

use rust_decimal::Decimal;

use super::order_system::{Behaviour, Script};
use super::partners::{Answer, AnswerLine, Writing};
use crate::model::{Response, Sale, SaleStatus, Status};

/// The customer in the configuration, and the address it writes from.
pub const CUSTOMER: &str = "ek";
pub const SENDER: &str = "inkop@ek.example";

/// One order by mail and what becomes of it.
pub struct SaleStory {
    pub order: &'static str,
    pub title: &'static str,
    /// What the sales desk replies when it is asked.
    pub desk: Option<&'static str>,
    /// The confirmed price of line 20, which the supplier confirms, too.
    price: &'static str,
}

pub const SALES: &[SaleStory] = &[
    SaleStory { order: "8800001", title: "a customer's order goes through by itself", desk: None, price: "3.45" },
    SaleStory {
        order: "8800002",
        title: "the order system has another price: the sales desk replies RELEASE",
        desk: Some("RELEASE"),
        price: "3.95",
    },
];

/// What the order system does: the second order has another price there.
pub fn script() -> Script {
    Script::default().on("8800002", [Behaviour::Price { position: 20, price: Decimal::new(395, 2) }])
}

impl SaleStory {
    /// The customer's mail.
    pub fn mail(&self, gateway: &str) -> Vec<u8> {
        let order = self.order;
        format!(
            "From: Elin Ek <{SENDER}>\r\nTo: <{gateway}>\r\nSubject: =?utf-8?Q?Best=C3=A4llning?= {order}\r\nMessage-ID: <{order}@ek.example>\r\n\
             Date: Sun, 22 Nov 2026 08:00:00 +0000\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
             Hej!\r\n\r\nVi beställer enligt nedan.\r\n\r\nVår beställning: {order}\r\nDatum: 2026-11-22\r\nLeverans till: Ek & Söner, Hamngatan 7, 211 22 Malmö\r\n\r\n\
             Rad  Artikel   Antal        Pris  Datum\r\n10   NW-1001   8 st    176,80  2026-12-21\r\n20   NW-2040   25 st   3,45  2026-12-21\r\n\r\n\
             Vänliga hälsningar\r\nElin Ek\r\n"
        )
        .into_bytes()
    }

    /// What the supplier of the goods answers, once the order is confirmed and registered.
    pub fn supplier_answer(&self) -> anyhow::Result<Vec<u8>> {
        let line = |position, sku, quantity, price| AnswerLine {
            position,
            sku,
            quantity,
            price,
            date: "2026-12-21",
            canceled: false,
        };
        let lines = [line(10, "NW-1001", "8", "176.80"), line(20, "NW-2040", "25", self.price)];
        let number = format!("{}1", self.order);
        Writing::Text.mail(&Answer {
            order: self.order,
            number: &number,
            date: "2026-11-22",
            lines: &lines,
            in_reply_to: None,
        })
    }

    /// Whether it stands confirmed, and its supplier's answer in the order.
    pub fn came_out(&self, sales: &[Sale], responses: &[Response]) -> bool {
        let mut sales = sales.iter().filter(|sale| sale.order.as_str() == self.order);
        let mut responses = responses.iter().filter(|response| response.order.as_str() == self.order);
        sales.next().is_some_and(|sale| sale.status == SaleStatus::Closed)
            && sales.next().is_none()
            && responses.next().is_some_and(|response| response.status == Status::Closed)
            && responses.next().is_none()
    }
}

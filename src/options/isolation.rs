//! The option `isolation`: what of it may be said, and how what is wrong is named.

use super::OptionValue;
use super::read::invalid;
use crate::error::Result;
use crate::isolation::{Isolation, Mode};
use crate::protocol::policy::{Demand, Layer};

const MODES: &str = "'none', 'standard' or 'strict'";

impl Isolation {
    /// Reads the option.
    ///
    /// # Errors
    /// `INVALID_CONFIG`, naming what is wrong.
    pub fn from_option(value: OptionValue) -> Result<Self> {
        let unknown = || {
            invalid(format!(
                "option isolation must be {MODES}, or an object with some of mode, layers, read, write and \
                 tcpPorts"
            ))
        };
        match value {
            OptionValue::Text(name) => {
                Mode::from_name(&name).map(|mode| Self { mode, ..Self::default() }).ok_or_else(unknown)
            }
            OptionValue::Fields(fields) => Self::from_fields(fields),
            _ => Err(unknown()),
        }
    }

    fn from_fields(fields: Vec<(String, OptionValue)>) -> Result<Self> {
        let mut isolation = Self::default();
        for (name, value) in fields {
            match (name.as_str(), value) {
                ("mode", OptionValue::Text(text)) => {
                    isolation.mode = Mode::from_name(&text)
                        .ok_or_else(|| invalid(format!("option isolation.mode must be {MODES}")))?;
                }
                ("layers", OptionValue::Fields(layers)) => {
                    isolation.demands = layers.into_iter().map(demand_of).collect::<Result<_>>()?;
                }
                ("read", OptionValue::Texts(paths)) => isolation.read = checked(&name, paths)?,
                ("write", OptionValue::Texts(paths)) => isolation.write = checked(&name, paths)?,
                ("tcpPorts", OptionValue::Numbers(ports)) => {
                    isolation.tcp_ports = Some(checked_ports(&ports)?);
                }
                // an empty array has no type
                ("tcpPorts", OptionValue::Texts(none)) if none.is_empty() => {
                    isolation.tcp_ports = Some(Vec::new());
                }
                ("mode", _) => return Err(invalid(format!("option isolation.mode must be {MODES}"))),
                ("layers", _) => return Err(invalid("option isolation.layers must be an object".into())),
                ("read" | "write", _) => {
                    return Err(invalid(format!("option isolation.{name} must be an array of paths")));
                }
                ("tcpPorts", _) => {
                    return Err(invalid("option isolation.tcpPorts must be an array of port numbers".into()));
                }
                (unknown, _) => {
                    return Err(invalid(format!(
                        "option isolation.{unknown} is unknown; there are mode, layers, read, write and tcpPorts"
                    )));
                }
            }
        }
        let asks_for_ports = isolation.said_of(Layer::TcpPorts).is_some_and(|demand| demand != Demand::Off);
        if asks_for_ports && isolation.tcp_ports.is_none() {
            return Err(invalid(
                "option isolation.layers.tcpPorts needs isolation.tcpPorts, which lists the ports".into(),
            ));
        }
        Ok(isolation)
    }
}

fn demand_of((name, value): (String, OptionValue)) -> Result<(Layer, Demand)> {
    let Some(layer) = Layer::ALL.into_iter().find(|layer| layer.name() == name) else {
        let known = Layer::ALL.map(Layer::name).join(", ");
        return Err(invalid(format!("option isolation.layers.{name} is unknown; there are {known}")));
    };
    let demand = match value {
        OptionValue::Text(text) if text == "required" => Demand::Required,
        OptionValue::Text(text) if text == "preferred" => Demand::Preferred,
        OptionValue::Text(text) if text == "off" => Demand::Off,
        _ => {
            return Err(invalid(format!(
                "option isolation.layers.{name} must be 'required', 'preferred' or 'off'"
            )));
        }
    };
    Ok((layer, demand))
}

fn checked(name: &str, paths: Vec<String>) -> Result<Vec<String>> {
    match paths.iter().position(|path| path.is_empty() || path.contains('\0')) {
        Some(at) => Err(invalid(format!("option isolation.{name}[{at}] is no path"))),
        None => Ok(paths),
    }
}

fn checked_ports(ports: &[f64]) -> Result<Vec<u16>> {
    let checked = ports.iter().map(|port| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole, and within its bounds"
        )]
        let port = ((1.0..=65_535.0).contains(port) && port.fract() == 0.0).then_some(*port as u16);
        port.ok_or_else(|| {
            invalid("option isolation.tcpPorts must hold whole numbers from 1 to 65535".into())
        })
    });
    checked.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Namespace;

    fn text(text: &str) -> OptionValue {
        OptionValue::Text(text.into())
    }

    fn fields(fields: Vec<(&str, OptionValue)>) -> OptionValue {
        OptionValue::Fields(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    #[test]
    fn each_mode_asks_for_what_it_says() {
        let of = |mode: &str| Isolation::from_option(text(mode)).unwrap();
        for layer in Layer::ALL {
            assert_eq!(of("none").demand(layer), Demand::Off);
            let (standard, strict) = match layer {
                Layer::TcpPorts => (Demand::Off, Demand::Off), // nothing is listed
                Layer::UnixSockets => (Demand::Off, Demand::Required),
                _ => (Demand::Preferred, Demand::Required),
            };
            assert_eq!((of("standard").demand(layer), of("strict").demand(layer)), (standard, strict));
        }
        assert_eq!(Isolation::default(), of("standard"));
        assert_eq!(of("strict").namespace(), Namespace::Required);
    }

    #[test]
    fn a_policy_changes_single_layers_and_lists_ports() {
        let ports = OptionValue::Numbers(vec![443.0, 53.0]);
        let layers = fields(vec![("processes", text("preferred")), ("files", text("off"))]);
        let policy = Isolation::from_option(fields(vec![
            ("mode", text("strict")),
            ("layers", layers),
            ("tcpPorts", ports),
        ]))
        .unwrap();
        assert_eq!(policy.demand(Layer::Processes), Demand::Preferred);
        assert_eq!(policy.demand(Layer::Files), Demand::Off);
        assert_eq!(policy.demand(Layer::TcpPorts), Demand::Required);
        assert_eq!(policy.demand(Layer::Signals), Demand::Required);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let wrong = |value: OptionValue| Isolation::from_option(value).unwrap_err().message;
        assert!(wrong(text("tight")).contains("'strict'"));
        assert!(wrong(OptionValue::Flag(true)).contains("'strict'"));
        assert!(wrong(fields(vec![("mode", text("tight"))])).contains("isolation.mode"));
        assert!(wrong(fields(vec![("reads", text("/"))])).contains("isolation.reads is unknown"));
        assert!(wrong(fields(vec![("read", text("/"))])).contains("isolation.read must"));
        assert!(wrong(fields(vec![("write", OptionValue::Texts(vec!["a\0b".into()]))])).contains("write[0]"));
        assert!(wrong(fields(vec![("layers", fields(vec![("disk", text("off"))]))])).contains("layers.disk"));
        assert!(
            wrong(fields(vec![("layers", fields(vec![("files", text("no"))]))])).contains("layers.files")
        );
        let ports = fields(vec![("layers", fields(vec![("tcpPorts", text("required"))]))]);
        assert!(wrong(ports).contains("needs isolation.tcpPorts"));
        for port in [0.0, 65_536.0, 1.5, f64::NAN, -1.0] {
            assert!(wrong(fields(vec![("tcpPorts", OptionValue::Numbers(vec![port]))])).contains("tcpPorts"));
        }
    }
}

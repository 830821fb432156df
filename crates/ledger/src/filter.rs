//! The filters of the list and subscription services: any of the terms, each all of its literals.

use sui_rpc::proto::sui::rpc::v2 as proto;
use sui_sdk_types::{
    Address, Command, Event, ObjectIn, ObjectOut, Owner, StructTag, TransactionEffects,
    TransactionKind, TypeTag,
};
use tonic::Status;

use crate::state::Transaction;

/// A path of Move names: package, and perhaps module, and perhaps member.
#[derive(Clone, Debug)]
struct Path {
    package: Address,
    module: Option<String>,
    member: Option<String>,
}

impl Path {
    fn parse(text: &str, most: usize) -> Result<Self, Status> {
        let bad = || Status::invalid_argument(format!("`{text}` is not a Move path"));
        let mut parts = text.splitn(3, "::");
        let package = parts
            .next()
            .and_then(|package| package.parse().ok())
            .ok_or_else(bad)?;
        let module = parts.next().map(str::to_owned);
        let member = parts.next().map(str::to_owned);
        let count = 1 + usize::from(module.is_some()) + usize::from(member.is_some());
        if count > most
            || [&module, &member]
                .into_iter()
                .flatten()
                .any(String::is_empty)
        {
            return Err(bad());
        }
        Ok(Self {
            package,
            module,
            member,
        })
    }

    fn matches(&self, package: &Address, module: &str, member: &str) -> bool {
        self.package == *package
            && self.module.as_deref().is_none_or(|wanted| wanted == module)
            && self.member.as_deref().is_none_or(|wanted| wanted == member)
    }
}

#[derive(Clone, Debug)]
enum EventType {
    Path(Path),
    Exact(Box<StructTag>),
}

impl EventType {
    fn parse(text: &str) -> Result<Self, Status> {
        if text.contains('<') {
            text.parse()
                .map(|tag| Self::Exact(Box::new(tag)))
                .map_err(|_| Status::invalid_argument(format!("`{text}` is not a Move type")))
        } else {
            Path::parse(text, 3).map(Self::Path)
        }
    }

    fn matches(&self, tag: &StructTag) -> bool {
        match self {
            Self::Path(path) => {
                path.matches(tag.address(), tag.module().as_str(), tag.name().as_str())
            }
            Self::Exact(wanted) => **wanted == *tag,
        }
    }
}

#[derive(Clone, Debug)]
enum Predicate {
    Sender(Address),
    AffectedAddress(Address),
    AffectedObject(Address),
    MoveCall(Path),
    EmitModule(Path),
    EventType(EventType),
    PackageWrite,
}

#[derive(Clone, Debug)]
struct Literal {
    negated: bool,
    predicate: Predicate,
}

/// A filter of transactions or of events. Without terms it matches everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    terms: Vec<Vec<Literal>>,
}

fn address(text: Option<&str>) -> Result<Address, Status> {
    let text = text.unwrap_or_default();
    text.parse()
        .map_err(|_| Status::invalid_argument(format!("`{text}` is not an address")))
}

fn unsupported() -> Status {
    Status::unimplemented("this ledger has no authenticated event streams")
}

fn missing() -> Status {
    Status::invalid_argument("a literal of the filter has no predicate")
}

impl Filter {
    /// Whether everything matches.
    pub(crate) fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    pub(crate) fn of_transactions(
        filter: Option<&proto::TransactionFilter>,
    ) -> Result<Self, Status> {
        use proto::transaction_literal::Predicate as Wire;
        let Some(filter) = filter else {
            return Ok(Self::default());
        };
        let terms = filter
            .terms
            .iter()
            .map(|term| {
                term.literals
                    .iter()
                    .map(|literal| {
                        let predicate = match literal.predicate.as_ref().ok_or_else(missing)? {
                            Wire::Sender(wire) => {
                                Predicate::Sender(address(wire.address.as_deref())?)
                            }
                            Wire::AffectedAddress(wire) => {
                                Predicate::AffectedAddress(address(wire.address.as_deref())?)
                            }
                            Wire::AffectedObject(wire) => {
                                Predicate::AffectedObject(address(wire.object_id.as_deref())?)
                            }
                            Wire::MoveCall(wire) => {
                                Predicate::MoveCall(Path::parse(wire.function(), 3)?)
                            }
                            Wire::EmitModule(wire) => {
                                Predicate::EmitModule(Path::parse(wire.module(), 2)?)
                            }
                            Wire::EventType(wire) => {
                                Predicate::EventType(EventType::parse(wire.event_type())?)
                            }
                            Wire::PackageWrite(_) => Predicate::PackageWrite,
                            _ => return Err(unsupported()),
                        };
                        Ok(Literal {
                            negated: literal.negated,
                            predicate,
                        })
                    })
                    .collect()
            })
            .collect::<Result<_, Status>>()?;
        Self::of(terms)
    }

    pub(crate) fn of_events(filter: Option<&proto::EventFilter>) -> Result<Self, Status> {
        use proto::event_literal::Predicate as Wire;
        let Some(filter) = filter else {
            return Ok(Self::default());
        };
        let terms = filter
            .terms
            .iter()
            .map(|term| {
                term.literals
                    .iter()
                    .map(|literal| {
                        let predicate = match literal.predicate.as_ref().ok_or_else(missing)? {
                            Wire::Sender(wire) => {
                                Predicate::Sender(address(wire.address.as_deref())?)
                            }
                            Wire::EmitModule(wire) => {
                                Predicate::EmitModule(Path::parse(wire.module(), 2)?)
                            }
                            Wire::EventType(wire) => {
                                Predicate::EventType(EventType::parse(wire.event_type())?)
                            }
                            _ => return Err(unsupported()),
                        };
                        Ok(Literal {
                            negated: literal.negated,
                            predicate,
                        })
                    })
                    .collect()
            })
            .collect::<Result<_, Status>>()?;
        Self::of(terms)
    }

    fn of(terms: Vec<Vec<Literal>>) -> Result<Self, Status> {
        if terms.is_empty() || terms.iter().any(Vec::is_empty) {
            return Err(Status::invalid_argument(
                "a filter needs a term, and each term a literal",
            ));
        }
        Ok(Self { terms })
    }

    pub(crate) fn matches_transaction(&self, transaction: &Transaction) -> bool {
        self.matches(|predicate| {
            transaction_matches(predicate, transaction)
                || transaction
                    .events()
                    .iter()
                    .any(|event| event_matches(predicate, event))
        })
    }

    pub(crate) fn matches_event(&self, transaction: &Transaction, event: &Event) -> bool {
        self.matches(|predicate| {
            transaction_matches(predicate, transaction) || event_matches(predicate, event)
        })
    }

    fn matches(&self, holds: impl Fn(&Predicate) -> bool) -> bool {
        self.terms.is_empty()
            || self.terms.iter().any(|term| {
                term.iter()
                    .all(|literal| holds(&literal.predicate) != literal.negated)
            })
    }
}

fn event_matches(predicate: &Predicate, event: &Event) -> bool {
    match predicate {
        Predicate::EmitModule(path) => path.matches(&event.package_id, event.module.as_str(), ""),
        Predicate::EventType(wanted) => wanted.matches(&event.type_),
        _ => false,
    }
}

fn transaction_matches(predicate: &Predicate, transaction: &Transaction) -> bool {
    let TransactionEffects::V2(effects) = &transaction.record.effects else {
        return false;
    };
    match predicate {
        Predicate::Sender(address) => transaction.sender() == *address,
        Predicate::AffectedObject(id) => effects
            .changed_objects
            .iter()
            .any(|changed| changed.object_id == *id),
        Predicate::AffectedAddress(address) => effects.changed_objects.iter().any(|changed| {
            let owned = |owner: &Owner| matches!(owner, Owner::Address(owner) if owner == address);
            matches!(&changed.input_state, ObjectIn::Exist { owner, .. } if owned(owner))
                || matches!(&changed.output_state, ObjectOut::ObjectWrite { owner, .. } if owned(owner))
        }),
        Predicate::MoveCall(path) => match &transaction.record.signed.transaction.kind {
            TransactionKind::ProgrammableTransaction(programmable) => {
                programmable.commands.iter().any(|command| match command {
                    Command::MoveCall(call) => path.matches(
                        &call.package,
                        call.module.as_str(),
                        call.function.as_str(),
                    ),
                    _ => false,
                })
            }
            _ => false,
        },
        Predicate::PackageWrite => effects
            .changed_objects
            .iter()
            .any(|changed| matches!(changed.output_state, ObjectOut::PackageWrite { .. })),
        Predicate::EmitModule(_) | Predicate::EventType(_) => false,
    }
}

/// A type filter of `ListOwnedObjects`: a type with or without its parameters.
pub(crate) fn type_matches(wanted: &TypeTag, tag: &StructTag) -> bool {
    let TypeTag::Struct(wanted) = wanted else {
        return false;
    };
    wanted.address() == tag.address()
        && wanted.module() == tag.module()
        && wanted.name() == tag.name()
        && (wanted.type_params().is_empty() || wanted.type_params() == tag.type_params())
}

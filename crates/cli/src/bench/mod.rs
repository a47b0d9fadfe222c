//! `causeway bench`: measures an ordering service from the outside.

mod catchup;
mod idle;
mod load;
mod order;
mod prepare;
mod receive;
mod report;
mod trial;
mod usage;

use crate::failure::Outcome;

/// Measure an ordering service.
#[derive(clap::Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    Order(Box<order::Arguments>),
    Idle(idle::Arguments),
    Catchup(catchup::Arguments),
}

pub(crate) fn run(arguments: Arguments) -> Outcome {
    match arguments.what {
        What::Order(arguments) => order::run(*arguments),
        What::Idle(arguments) => idle::run(arguments),
        What::Catchup(arguments) => catchup::run(arguments),
    }
}

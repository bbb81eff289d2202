//! The command line: parse, run one command, exit code. `output` is the only place that prints.

mod audit;
mod config;
mod convert;
mod dead;
mod keys;
mod output;
mod places;
mod roles;
mod store;

use std::{path::PathBuf, process::ExitCode};

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use crate::{
    app::Role,
    config::{Loaded, Sources, load},
    provider::{Bounds, serve_apart},
};

const EXAMPLES: &str = "\
Examples:
  image2model convert photo.jpg -o model.glb
  image2model convert photos/ -o models/ --format glb,stl --jobs 4
  image2model convert portrait.png -o litho.stl --model relief --option curve=lithophane
  image2model convert logo.png -o logo.stl --model extrude --size 60
  image2model serve --listen 127.0.0.1:8080
  image2model worker --store-url redis://127.0.0.1:6379/0 --queues model_generation,priority

`image2model help convert` shows everything that can be asked of a model.";

/// Turns images into closed, textured 3D models, on this machine.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES, max_term_width = 100)]
struct Cli {
    /// Settings file [default: image2model.yaml, where there is one]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Turn pictures into models: no server, no network
    #[command(after_long_help = convert::shape_options())]
    Convert(Box<convert::Args>),
    /// Serve the API and the page, with the work done in the same process
    Serve(roles::Serving),
    /// Serve the API and the page alone: workers of the same Redis do the work
    Api(roles::Serving),
    /// Make what the servers of the same Redis have accepted
    #[command(after_help = roles::REPLACEMENT)]
    Worker(roles::Working),
    /// See to due retries, the tasks of dead workers and old results: of several, one leads
    Scheduler(roles::Unseen),
    /// Make, list and revoke the keys that callers show
    Keys(keys::Args),
    /// See work that was given up, and take it up again
    Dead(dead::Args),
    /// Look after the store of jobs
    #[command(subcommand)]
    Store(store::Command),
    /// Show every setting, its value and where it came from
    Config {
        /// What holds when nothing is set
        #[arg(long)]
        defaults: bool,
        /// As one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Work for the process that has started this one, confined
    #[command(hide = true)]
    MakeApart {
        /// Bytes of memory
        #[arg(long)]
        memory: u64,
        /// Seconds on a processor
        #[arg(long)]
        processor: Option<u64>,
    },
    /// Print a completion script for a shell
    Completions { shell: Shell },
}

/// Exit code of wrong usage, and of a start that cannot succeed.
const USAGE: u8 = 2;

/// Runs the command line; 0 is success, 1 a failure, 2 wrong usage or a start that cannot succeed.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(refusal) => {
            // Help and version come this way, too. A closed pipe is no reason to fail.
            let _ = refusal.print();
            return ExitCode::from(u8::try_from(refusal.exit_code()).unwrap_or(USAGE));
        }
    };
    run(cli).unwrap_or_else(|refusal| {
        output::error(&format!("{refusal:#}"));
        ExitCode::from(USAGE)
    })
}

/// # Errors
/// Wrong usage, or a start that cannot succeed.
fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let settings = |flags| load(&Sources::of_process(cli.config.clone(), flags));
    match cli.command {
        Command::Convert(args) => convert::run(&args, &settings(Vec::new())?.config),
        Command::Serve(args) => roles::run(Role::Serve, settings(args.flags())?),
        Command::Api(args) => roles::run(Role::Api, settings(args.flags())?),
        Command::Worker(args) => roles::run(Role::Worker, settings(args.flags())?),
        Command::Scheduler(args) => roles::run(Role::Scheduler, settings(args.flags())?),
        Command::Keys(args) => keys::run(args.command, &settings(args.place.flags())?.config),
        Command::Dead(args) => dead::run(args.command, &settings(args.places.flags())?.config),
        Command::Store(command) => store::run(command, &settings(Vec::new())?.config),
        Command::Config { defaults, json } => {
            let loaded: Loaded = if defaults {
                load(&Sources::default())?
            } else {
                settings(Vec::new())?
            };
            output::text(&config::render(&loaded, json));
            Ok(ExitCode::SUCCESS)
        }
        Command::MakeApart { memory, processor } => {
            serve_apart(Bounds { memory, processor })?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "image2model", &mut script);
            output::bytes(&script)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }
}

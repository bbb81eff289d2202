use std::process::ExitCode;

fn main() -> ExitCode {
    image2model::cli::main()
}

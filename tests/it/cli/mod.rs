//! The program as the shell sees it: what is printed where, and the exit codes.

mod commands;
mod dev;

use std::process::{Command, Output, Stdio};

fn nova(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nova"));
    command.args(args).env_clear().stdin(Stdio::null());
    command
}

#[derive(Debug)]
struct Done {
    code: i32,
    out: String,
    err: String,
}

fn done(output: Output) -> Done {
    Done {
        code: output.status.code().expect("an exit code"),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn run(args: &[&str]) -> Done {
    done(nova(args).output().unwrap())
}

fn run_with(variable: (&str, &str), args: &[&str]) -> Done {
    done(nova(args).env(variable.0, variable.1).output().unwrap())
}

//! What runs on the servers: sent to each once, then called by its hash.

use redis::{Cmd, ToRedisArgs, cmd};

const COMMIT: &str = include_str!("scripts/commit.lua");

pub(super) struct Scripts {
    pub(super) load: Script,
    /// Refused by a server whose memory is full.
    pub(super) commit: Script,
    /// The same, for what was accepted before the memory was full: it must come to its end to be removed.
    pub(super) commit_anyway: Script,
    pub(super) reserve: Script,
    pub(super) progress: Script,
    pub(super) report: Script,
    pub(super) lead: Script,
    pub(super) rights: Script,
    pub(super) admit: Script,
    pub(super) note_used: Script,
    pub(super) add_secret: Script,
    pub(super) set_aside: Script,
}

pub(super) struct Script {
    text: String,
    hash: String,
}

/// A call of a script: keys first, then arguments.
pub(super) struct Call<'a> {
    script: &'a Script,
    keys: Vec<String>,
    args: Vec<Vec<u8>>,
}

impl Default for Scripts {
    fn default() -> Self {
        Self {
            load: Script::new(include_str!("scripts/load.lua")),
            commit: Script::new(COMMIT),
            commit_anyway: Script::new(&COMMIT.replacen("#!lua", "#!lua flags=allow-oom", 1)),
            reserve: Script::new(include_str!("scripts/reserve.lua")),
            progress: Script::new(include_str!("scripts/progress.lua")),
            report: Script::new(include_str!("scripts/report.lua")),
            lead: Script::new(include_str!("scripts/lead.lua")),
            rights: Script::new(include_str!("scripts/rights.lua")),
            admit: Script::new(include_str!("scripts/admit.lua")),
            note_used: Script::new(include_str!("scripts/note_used.lua")),
            add_secret: Script::new(include_str!("scripts/add_secret.lua")),
            set_aside: Script::new(include_str!("scripts/set_aside.lua")),
        }
    }
}

impl Scripts {
    /// The commands by which a server gets to know all of them.
    pub(super) fn loads(&self) -> Vec<Cmd> {
        let all = [
            &self.load,
            &self.commit,
            &self.commit_anyway,
            &self.reserve,
            &self.progress,
            &self.report,
            &self.lead,
            &self.rights,
            &self.admit,
            &self.note_used,
            &self.add_secret,
            &self.set_aside,
        ];
        let load = |script: &Script| {
            let mut load = cmd("SCRIPT");
            load.arg("LOAD").arg(&script.text);
            load
        };
        all.map(load).into()
    }
}

impl Script {
    fn new(text: &str) -> Self {
        let hash = redis::Script::new(text).get_hash().to_owned();
        Self {
            text: text.to_owned(),
            hash,
        }
    }

    pub(super) fn call(&self) -> Call<'_> {
        Call {
            script: self,
            keys: Vec::new(),
            args: Vec::new(),
        }
    }
}

impl Call<'_> {
    pub(super) fn key(&mut self, key: String) -> &mut Self {
        self.keys.push(key);
        self
    }

    pub(super) fn arg(&mut self, arg: impl ToRedisArgs) -> &mut Self {
        self.args.extend(arg.to_redis_args());
        self
    }

    pub(super) fn cmd(&self) -> Cmd {
        let mut call = cmd("EVALSHA");
        call.arg(&self.script.hash).arg(self.keys.len());
        call.arg(&self.keys).arg(&self.args);
        call
    }
}

//! A connection to the sound server, in the protocol of `PulseAudio`, which `PipeWire` speaks too.

use std::collections::{HashMap, HashSet};
use std::ffi::CString;
use std::io::BufReader;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use pulseaudio::protocol::{
    self, AuthParams, AuthReply, ClientInfo, ClientInfoList, Command, CommandReply, Prop, Props, ProtocolError,
    SetClientNameReply, SourceInfo, SourceInfoList, SourceOutputInfo, SourceOutputInfoList, SubscriptionMask,
};

use super::place;
use crate::programs::Programs;

/// No answer takes longer, unless the server hangs.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);

/// Why the sound server is not followed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is none.
    #[error("no sound server is there: neither PulseAudio nor PipeWire's")]
    NoServer,
    /// It takes nobody.
    #[error("the sound server cannot be used: {0}")]
    Io(#[from] std::io::Error),
    /// It answers something else, or ended.
    #[error("the sound server does not answer as it should: {0}")]
    Protocol(#[from] ProtocolError),
    /// It ended.
    #[error("the sound server ended")]
    Ended,
}

/// A connection to the server of this session.
pub struct Connection {
    socket: BufReader<UnixStream>,
    version: u16,
    number: u32,
}

impl Connection {
    /// Logs in.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let cookie = place::cookie().unwrap_or_default();
        let socket = UnixStream::connect(path)?;
        socket.set_read_timeout(Some(ANSWERED_WITHIN))?;
        socket.set_write_timeout(Some(ANSWERED_WITHIN))?;
        let mut connection = Self { socket: BufReader::new(socket), version: protocol::MAX_VERSION, number: 0 };
        let auth = AuthParams { version: protocol::MAX_VERSION, supports_shm: false, supports_memfd: false, cookie };
        let answer: AuthReply = connection.ask(&Command::Auth(auth))?;
        connection.version = answer.version.min(protocol::MAX_VERSION);
        let mut props = Props::new();
        props.set(Prop::ApplicationName, CString::from(c"microphone-agent"));
        let _: SetClientNameReply = connection.ask(&Command::SetClientName(props))?;
        Ok(connection)
    }

    /// From now on it only tells of changes.
    pub fn subscribed(mut self) -> Result<Self, Error> {
        self.send(&Command::Subscribe(SubscriptionMask::SOURCE_OUTPUT))?;
        protocol::read_ack_message(&mut self.socket)?;
        // Nothing may change for days.
        self.socket.get_ref().set_read_timeout(None)?;
        Ok(self)
    }

    /// What is below, for hanging up.
    pub fn socket(&self) -> Result<UnixStream, Error> {
        Ok(self.socket.get_ref().try_clone()?)
    }

    /// Waits until something changes.
    pub fn changed(&mut self) -> Result<(), Error> {
        protocol::read_command_message(&mut self.socket, self.version)?;
        Ok(())
    }

    /// Which programs record from a microphone now.
    pub fn recording(&mut self) -> Result<Programs, Error> {
        let outputs: SourceOutputInfoList = self.ask(&Command::GetSourceOutputInfoList)?;
        if outputs.is_empty() {
            return Ok(Programs::default());
        }
        let clients: ClientInfoList = self.ask(&Command::GetClientInfoList)?;
        let sources: SourceInfoList = self.ask(&Command::GetSourceInfoList)?;
        Ok(recording(&outputs, &clients, &sources))
    }

    fn ask<T: CommandReply>(&mut self, command: &Command) -> Result<T, Error> {
        self.send(command)?;
        Ok(protocol::read_reply_message(&mut self.socket, self.version)?.1)
    }

    fn send(&mut self, command: &Command) -> Result<(), Error> {
        self.number = self.number.wrapping_add(1);
        Ok(protocol::write_command_message(self.socket.get_mut(), self.number, command, self.version)?)
    }
}

/// What has no client is the server's own, what is corked does not record, and a monitor hears loudspeakers.
fn recording(outputs: &[SourceOutputInfo], clients: &[ClientInfo], sources: &[SourceInfo]) -> Programs {
    let clients: HashMap<u32, &Props> = clients.iter().map(|client| (client.index, &client.props)).collect();
    let monitors: HashSet<u32> =
        sources.iter().filter(|source| source.monitor_of_sink_index.is_some()).map(|source| source.index).collect();
    let program = |output: &SourceOutputInfo| {
        let client = clients.get(&output.client_index?).copied();
        let told = |prop: Prop| name(&output.props, prop).or_else(|| name(client?, prop));
        let records = !output.corked && !monitors.contains(&output.source_index);
        records.then(|| told(Prop::ApplicationProcessBinary).or_else(|| told(Prop::ApplicationName)))?
    };
    outputs.iter().filter_map(program).collect()
}

fn name(props: &Props, prop: Prop) -> Option<String> {
    let value = String::from_utf8_lossy(props.get(prop)?);
    let name = value.trim_end_matches('\0').trim();
    (!name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn props(binary: &str) -> Props {
        let mut props = Props::new();
        props.set(Prop::ApplicationProcessBinary, CString::new(binary).unwrap());
        props
    }

    fn output(client: Option<u32>, source: u32, corked: bool, props: Props) -> SourceOutputInfo {
        SourceOutputInfo { client_index: client, source_index: source, corked, props, ..SourceOutputInfo::default() }
    }

    #[test]
    fn only_what_records_from_a_microphone_is_told() {
        let microphone = SourceInfo { index: 1, ..SourceInfo::default() };
        let monitor = SourceInfo { index: 2, monitor_of_sink_index: Some(0), ..SourceInfo::default() };
        let clients = [ClientInfo { index: 7, props: props("/usr/bin/firefox"), ..ClientInfo::default() }];
        let check = |output: SourceOutputInfo, expected: &[&str]| {
            let expected: Programs = expected.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(recording(&[output], &clients, &[microphone.clone(), monitor.clone()]), expected);
        };
        check(output(Some(7), 1, false, props("zoom")), &["zoom"]);
        // Where the stream does not say it, its client does.
        check(output(Some(7), 1, false, Props::new()), &["firefox"]);
        // It does not record now; it hears loudspeakers; it is the server's own.
        check(output(Some(7), 1, true, props("zoom")), &[]);
        check(output(Some(7), 2, false, props("zoom")), &[]);
        check(output(None, 1, false, props("zoom")), &[]);
        let streams = ["zoom", "zoom", "skype"].map(|program| output(Some(7), 1, false, props(program)));
        let both: Programs = ["skype", "zoom"].map(str::to_owned).into_iter().collect();
        assert_eq!(recording(&streams, &clients, &[microphone, monitor]), both);
    }
}

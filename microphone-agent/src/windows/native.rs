//! Calls of Windows that nobody has without `unsafe`: capture sessions, processes, a change of the registry, the end of the session.
#![allow(unsafe_code)]
#![allow(clippy::inline_always, clippy::ref_as_ptr, reason = "so writes the macro that makes an object Windows can call back")]

use std::sync::mpsc::SyncSender;
use std::time::Duration;

use tokio::sync::Notify;
use windows::Win32::Foundation::{
    ERROR_ALREADY_EXISTS, FILETIME, GetLastError, HANDLE, HWND, LPARAM, LRESULT, PROPERTYKEY, WPARAM,
};
use windows::Win32::Media::Audio::{
    AudioSessionDisconnectReason, AudioSessionState, AudioSessionStateActive, DEVICE_STATE, DEVICE_STATE_ACTIVE, EDataFlow,
    ERole, IAudioSessionControl, IAudioSessionControl2, IAudioSessionEvents, IAudioSessionEvents_Impl, IAudioSessionManager2,
    IAudioSessionNotification, IAudioSessionNotification_Impl, IMMDevice, IMMDeviceEnumerator, IMMNotificationClient,
    IMMNotificationClient_Impl, MMDeviceEnumerator, eCapture,
};
use windows::Win32::Storage::Packaging::Appx::GetPackageFamilyName;
use windows::Win32::System::Com::{CLSCTX_ALL, COINIT_MULTITHREADED, CoCreateInstance, CoInitializeEx};
use windows::Win32::System::Console::{ATTACH_PARENT_PROCESS, AttachConsole};
use windows::Win32::System::ProcessStatus::EnumProcesses;
use windows::Win32::System::Registry::{HKEY, REG_NOTIFY_CHANGE_LAST_SET, REG_NOTIFY_CHANGE_NAME, RegNotifyChangeKeyValue};
use windows::Win32::System::SystemInformation::GetLocalTime;
use windows::Win32::System::Threading::{
    CreateMutexW, GetProcessTimes, OpenProcess, PROCESS_NAME_WIN32, PROCESS_QUERY_LIMITED_INFORMATION, QueryFullProcessImageNameW,
};
use windows::Win32::UI::WindowsAndMessaging::{
    CreateWindowExW, DefWindowProcW, DispatchMessageW, GetMessageW, MSG, RegisterClassW, WINDOW_EX_STYLE, WINDOW_STYLE, WM_CLOSE,
    WM_ENDSESSION, WNDCLASSW,
};
use windows::core::{BOOL, ComObject, Error, GUID, Interface, Owned, PCWSTR, PWSTR, Ref, Result, implement, w};
use windows_registry::Key;

use crate::consent::Process;

/// No path of Windows is longer.
const PATH_MAX: usize = 32_768;
/// Far more than run at a time.
const PROCESSES_MAX: usize = 16_384;
/// Windows waits 5 s for whoever is to end with the session; the last word takes 3.
const ENDED_WITHIN: Duration = Duration::from_secs(5);

/// Of this thread, from which COM is called. Windows calls back on threads of its own.
pub fn join_apartment() {
    // SAFETY: nothing is handed over. It is never left, since the thread lives as long as the process.
    let joined = unsafe { CoInitializeEx(None, COINIT_MULTITHREADED) };
    if let Err(problem) = joined.ok() {
        crate::say(&format!("COM cannot be used: {problem}"));
    }
}

/// Says that something changed, whatever it is.
#[implement(IMMNotificationClient, IAudioSessionNotification, IAudioSessionEvents)]
struct Wake(SyncSender<()>);

impl Wake {
    #[expect(clippy::unnecessary_wraps, reason = "so that each event is one line")]
    fn wake(&self) -> Result<()> {
        // Full: somebody is about to look anyway.
        _ = self.0.try_send(());
        Ok(())
    }
}

impl IMMNotificationClient_Impl for Wake_Impl {
    fn OnDeviceStateChanged(&self, _: &PCWSTR, _: DEVICE_STATE) -> Result<()> {
        self.wake()
    }
    fn OnDeviceAdded(&self, _: &PCWSTR) -> Result<()> {
        self.wake()
    }
    fn OnDeviceRemoved(&self, _: &PCWSTR) -> Result<()> {
        self.wake()
    }
    fn OnDefaultDeviceChanged(&self, _: EDataFlow, _: ERole, _: &PCWSTR) -> Result<()> {
        Ok(())
    }
    fn OnPropertyValueChanged(&self, _: &PCWSTR, _: &PROPERTYKEY) -> Result<()> {
        Ok(())
    }
}

impl IAudioSessionNotification_Impl for Wake_Impl {
    fn OnSessionCreated(&self, _: Ref<IAudioSessionControl>) -> Result<()> {
        self.wake()
    }
}

impl IAudioSessionEvents_Impl for Wake_Impl {
    fn OnDisplayNameChanged(&self, _: &PCWSTR, _: *const GUID) -> Result<()> {
        Ok(())
    }
    fn OnIconPathChanged(&self, _: &PCWSTR, _: *const GUID) -> Result<()> {
        Ok(())
    }
    fn OnSimpleVolumeChanged(&self, _: f32, _: BOOL, _: *const GUID) -> Result<()> {
        Ok(())
    }
    fn OnChannelVolumeChanged(&self, _: u32, _: *const f32, _: u32, _: *const GUID) -> Result<()> {
        Ok(())
    }
    fn OnGroupingParamChanged(&self, _: *const GUID, _: *const GUID) -> Result<()> {
        Ok(())
    }
    fn OnStateChanged(&self, _: AudioSessionState) -> Result<()> {
        self.wake()
    }
    fn OnSessionDisconnected(&self, _: AudioSessionDisconnectReason) -> Result<()> {
        self.wake()
    }
}

/// All capture sessions there are now; while it lives, changes wake.
pub struct Sessions {
    wake: ComObject<Wake>,
    enumerator: IMMDeviceEnumerator,
    managers: Vec<IAudioSessionManager2>,
    found: Vec<IAudioSessionControl2>,
    problem: Option<Error>,
}

impl Sessions {
    /// Asks to be woken first, so that nothing is missed between that and the list.
    pub fn watch(wake: &SyncSender<()>) -> Result<Self> {
        // SAFETY: the class is one of Windows', and this thread has joined an apartment.
        let enumerator: IMMDeviceEnumerator = unsafe { CoCreateInstance(&MMDeviceEnumerator, None, CLSCTX_ALL)? };
        let wake = ComObject::new(Wake(wake.clone()));
        let mut all = Self { wake, enumerator, managers: Vec::new(), found: Vec::new(), problem: None };
        // SAFETY: the callback lives until `drop` takes it back, and each device is a live object.
        unsafe {
            all.enumerator.RegisterEndpointNotificationCallback(&all.wake.to_interface::<IMMNotificationClient>())?;
            let devices = all.enumerator.EnumAudioEndpoints(eCapture, DEVICE_STATE_ACTIVE)?;
            for number in 0..devices.GetCount()? {
                // One that cannot be asked, perhaps since it was pulled out just now, hides no other.
                let asked = devices.Item(number).and_then(|device| all.add(&device));
                all.problem = all.problem.take().or(asked.err());
            }
        }
        Ok(all)
    }

    fn add(&mut self, device: &IMMDevice) -> Result<()> {
        // SAFETY: the device is a live object; what is registered here lives until `drop` takes it back.
        unsafe {
            let manager: IAudioSessionManager2 = device.Activate(CLSCTX_ALL, None)?;
            manager.RegisterSessionNotification(&self.wake.to_interface::<IAudioSessionNotification>())?;
            self.managers.push(manager.clone());
            // Sessions are announced only to those who have listed them once.
            let sessions = manager.GetSessionEnumerator()?;
            for number in 0..sessions.GetCount()? {
                let Ok(session) = sessions.GetSession(number).and_then(|session| session.cast::<IAudioSessionControl2>()) else {
                    continue;
                };
                // One that ends just now hides no other either.
                let asked = session.RegisterAudioSessionNotification(&self.wake.to_interface::<IAudioSessionEvents>());
                self.problem = self.problem.take().or(asked.err());
                self.found.push(session);
            }
        }
        Ok(())
    }

    /// Why perhaps not all sessions are known.
    pub fn problem(&self) -> Option<Error> {
        self.problem.clone()
    }

    /// Paths of programs that record now. Who has ended meanwhile, or may not be looked at, has none.
    pub fn recording(&self) -> Vec<String> {
        // SAFETY: each session is a live object.
        let records = |session: &&IAudioSessionControl2| unsafe { session.GetState() } == Ok(AudioSessionStateActive);
        // SAFETY: as above.
        let id = |session: &IAudioSessionControl2| unsafe { session.GetProcessId() }.ok();
        self.found.iter().filter(records).filter_map(|session| path(&open(id(session)?)?)).collect()
    }
}

impl Drop for Sessions {
    fn drop(&mut self) {
        // SAFETY: the objects are live, and this is none of their callbacks. Whatever fails is of a device that is gone.
        unsafe {
            for session in &self.found {
                _ = session.UnregisterAudioSessionNotification(&self.wake.to_interface::<IAudioSessionEvents>());
            }
            for manager in &self.managers {
                _ = manager.UnregisterSessionNotification(&self.wake.to_interface::<IAudioSessionNotification>());
            }
            _ = self.enumerator.UnregisterEndpointNotificationCallback(&self.wake.to_interface::<IMMNotificationClient>());
        }
    }
}

/// All that run and may be looked at.
pub fn processes() -> Vec<Process> {
    let mut ids = vec![0; PROCESSES_MAX];
    let (bytes, mut filled) = (u32::try_from(size_of_val(ids.as_slice())).unwrap_or_default(), 0);
    // SAFETY: there is room for as many bytes as are said.
    if unsafe { EnumProcesses(ids.as_mut_ptr(), bytes, &raw mut filled) }.is_err() {
        return Vec::new();
    }
    ids.truncate(filled as usize / size_of::<u32>());
    ids.into_iter().filter_map(|id| of(&open(id)?)).collect()
}

fn of(process: &Owned<HANDLE>) -> Option<Process> {
    let [mut began, mut ended, mut kernel, mut user] = [FILETIME::default(); 4];
    // SAFETY: the handle is open, and there is room for four times.
    unsafe { GetProcessTimes(**process, &raw mut began, &raw mut ended, &raw mut kernel, &raw mut user) }.ok()?;
    let began = u64::from(began.dwHighDateTime) << 32 | u64::from(began.dwLowDateTime);
    Some(Process { path: path(process)?, family: family(process), began })
}

/// For a look at no more than what it is.
fn open(process: u32) -> Option<Owned<HANDLE>> {
    // SAFETY: whatever the id, it is opened or not; the handle is ours alone.
    unsafe { Some(Owned::new(OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, false, process).ok()?)) }
}

fn path(process: &Owned<HANDLE>) -> Option<String> {
    let mut text = vec![0; PATH_MAX];
    let mut length = u32::try_from(text.len()).ok()?;
    // SAFETY: the handle is open, and there is room for as many characters as are said.
    unsafe { QueryFullProcessImageNameW(**process, PROCESS_NAME_WIN32, PWSTR(text.as_mut_ptr()), &raw mut length) }.ok()?;
    Some(String::from_utf16_lossy(text.get(..length as usize)?))
}

/// Most have none.
fn family(process: &Owned<HANDLE>) -> Option<String> {
    let mut text = [0; 256];
    let mut length = u32::try_from(text.len()).ok()?;
    // SAFETY: the handle is open, and there is room for as many characters as are said.
    unsafe { GetPackageFamilyName(**process, &raw mut length, Some(PWSTR(text.as_mut_ptr()))) }.ok().ok()?;
    let name = text.get(..length as usize)?;
    Some(String::from_utf16_lossy(name.strip_suffix(&[0]).unwrap_or(name)))
}

/// Waits until something changes in a key or below it.
pub fn until_changed(key: &Key) -> Result<()> {
    let what = REG_NOTIFY_CHANGE_NAME | REG_NOTIFY_CHANGE_LAST_SET;
    // SAFETY: the key is open; there is no event, since it is waited here.
    unsafe { RegNotifyChangeKeyValue(HKEY(key.as_raw()), true, what, None, false) }.ok()
}

/// This moment, for the log.
pub fn now() -> String {
    // SAFETY: nothing is handed over.
    let now = unsafe { GetLocalTime() };
    let (day, time) = ((now.wYear, now.wMonth, now.wDay), (now.wHour, now.wMinute, now.wSecond));
    format!("{:04}-{:02}-{:02} {:02}:{:02}:{:02}", day.0, day.1, day.2, time.0, time.1, time.2)
}

/// A program without a window of its own has no console either: it borrows that of whoever started it by hand.
pub fn attach_console() {
    // SAFETY: nothing is handed over.
    _ = unsafe { AttachConsole(ATTACH_PARENT_PROCESS) };
}

/// A name that one agent of a session can have, for as long as the value lives.
pub fn only_one() -> Result<Owned<HANDLE>> {
    // SAFETY: the name is a constant; the handle is ours alone.
    unsafe {
        let name = Owned::new(CreateMutexW(None, false, w!("Local\\microphone-agent"))?);
        if GetLastError() == ERROR_ALREADY_EXISTS { Err(ERROR_ALREADY_EXISTS.into()) } else { Ok(name) }
    }
}

static ASKED_TO_END: Notify = Notify::const_new();

/// Ends when the agent is asked to: at log-off, by the task scheduler, by `taskkill`. All of them speak to windows, so there is one, unseen.
pub fn asked_to_end() -> std::io::Result<impl Future<Output = ()>> {
    std::thread::Builder::new().name("window".to_owned()).spawn(|| {
        if let Err(problem) = window() {
            crate::say(&format!("log-off cannot be followed: {problem}"));
        }
    })?;
    Ok(ASKED_TO_END.notified())
}

fn window() -> Result<()> {
    let (class, nowhere) = (w!("microphone-agent"), 0);
    let described = WNDCLASSW { lpfnWndProc: Some(hear), lpszClassName: class, ..WNDCLASSW::default() };
    // SAFETY: names are constants, and what is heard uses nothing but statics.
    unsafe {
        RegisterClassW(&raw const described);
        let (style, extended) = (WINDOW_STYLE::default(), WINDOW_EX_STYLE::default());
        CreateWindowExW(extended, class, class, style, nowhere, nowhere, nowhere, nowhere, None, None, None, None)?;
        let mut message = MSG::default();
        while GetMessageW(&raw mut message, None, 0, 0).0 > 0 {
            DispatchMessageW(&raw const message);
        }
    }
    Ok(())
}

extern "system" fn hear(window: HWND, message: u32, first: WPARAM, second: LPARAM) -> LRESULT {
    let ends = message == WM_ENDSESSION && first.0 != 0;
    if ends || message == WM_CLOSE {
        ASKED_TO_END.notify_one();
        if ends {
            // When this returns Windows may end the process at once; the process itself ends before.
            std::thread::sleep(ENDED_WITHIN);
        }
        return LRESULT(0);
    }
    // SAFETY: as Windows handed it over.
    unsafe { DefWindowProcW(window, message, first, second) }
}

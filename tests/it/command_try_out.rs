//! What deploy/compose.yaml sets up, with this machine's own programs: its settings fit, and its script plays people whom the gateway then shows.

use std::path::Path;

use secrecy::ExposeSecret;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::command::{Serving, free_address, gateway, read_until, run, text};
use crate::world::scratch_database;

/// The lines of a service's `environment:` or `command:` in the compose file, as they stand.
fn of_service(service: &str, part: &str) -> Vec<String> {
    let compose = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/compose.yaml")).unwrap();
    let (service, part) = (format!("  {service}:"), format!("    {part}:"));
    let lines = compose.lines().skip_while(|line| *line != service).skip_while(|line| *line != part).skip(1);
    let lines = lines.take_while(|line| line.starts_with("      "));
    lines.map(|line| line.trim().trim_start_matches("- ").to_owned()).filter(|line| !line.starts_with('#')).collect()
}

#[tokio::test]
async fn the_settings_of_the_compose_file_fit_and_its_hands_make_a_call_appear() {
    if !Path::new("/usr/bin/curl").exists() {
        eprintln!("there is no curl here: the script is not tried");
        return;
    }
    let arguments = of_service("emulators", "command");
    assert_eq!(arguments.len(), 4, "{arguments:?}");
    let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    arguments.extend(["--graph-listen", "127.0.0.1:0", "--xphone-listen", "127.0.0.1:0"]);
    let mut emulators = Serving::start(gateway(&arguments, &[]));
    let mut printed = BufReader::new(emulators.stdout()).lines();
    let printed = read_until(&mut printed, "# Control").await;
    let printed = |key: &str| printed.iter().find_map(|line| line.strip_prefix(key)).unwrap().to_owned();
    let (graph, xphone) = (printed("GATEWAY__GRAPH__BASE_URL="), printed("GATEWAY__XPHONE__BASE_URL="));

    let database = scratch_database(false).await;
    let (url, public, admin) = (database.url(), free_address(), free_address());
    let public_url = format!("http://{public}");
    let settings = of_service("gateway", "environment");
    let mut environment: Vec<(&str, &str)> = settings.iter().map(|line| line.split_once(": ").unwrap()).collect();
    let here = [
        ("GATEWAY__DATABASE__URL", url.expose_secret()),
        ("GATEWAY__HTTP__PUBLIC_LISTEN", &public),
        ("GATEWAY__HTTP__ADMIN_LISTEN", &admin),
        ("GATEWAY__HTTP__PUBLIC_URL", &public_url),
        ("GATEWAY__GRAPH__BASE_URL", &graph),
        ("GATEWAY__GRAPH__LOGIN_URL", &graph),
        ("GATEWAY__XPHONE__BASE_URL", &xphone),
    ];
    environment.retain(|(key, _)| here.iter().all(|(other, _)| key != other));
    environment.extend(here);
    let mut serving = Serving::start(gateway(&["serve"], &environment));
    read_until(&mut serving.log, "the gateway runs").await;

    let addresses = [
        ("GRAPH", graph.clone()),
        ("XPHONE", xphone.strip_suffix("/XPhoneConnect/WebClientApi").unwrap().to_owned()),
        ("ADMIN", format!("http://{admin}")),
    ];
    let hands = async |arguments: &[&str]| {
        let mut command = Command::new("sh");
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/try-out/hands")).args(arguments).envs(addresses.clone());
        command.envs(of_service("hands", "environment").iter().map(|line| line.split_once(": ").unwrap()));
        run(command).await
    };
    let done = async |arguments: &[&str]| {
        let output = hands(arguments).await;
        assert!(output.status.success(), "{arguments:?}: {}{}", text(&output.stdout), text(&output.stderr));
    };
    let shown = async |who: &str, words: &str| {
        let told = async {
            loop {
                let told = text(&run(gateway(&["explain", who], &environment)).await.stdout);
                if told.contains(words) {
                    return;
                }
            }
        };
        assert!(tokio::time::timeout(crate::command::PATIENCE, told).await.is_ok(), "{who} never shows {words}");
    };
    // What the systems themselves show, which is what counts.
    let looked = async |[who, words]: [&str; 2]| {
        let told = async { while text(&hands(&["look", who]).await.stdout) != words {} };
        assert!(tokio::time::timeout(crate::command::PATIENCE, told).await.is_ok(), "{who} never shows {words}");
    };
    // Twice: whoever does a step again gets no further, but no worse off either.
    done(&["prepare"]).await;
    done(&["prepare"]).await;
    done(&["teams", "anna", "call"]).await;
    shown("anna@example.com", "shows       \"On the phone (MS Teams)\"").await;
    looked(["anna", "Teams shows:  Busy, InACall\nXPhone shows: On the phone (MS Teams)\n"]).await;
    done(&["teams", "anna", "free"]).await;
    looked(["anna", "Teams shows:  Available, Available\nXPhone shows: Available\n"]).await;
    done(&["xphone", "ben", "call"]).await;
    shown("ben@example.com", "because     shown, because of a call or meeting in XPhone").await;
    looked(["ben", "Teams shows:  Busy, InACall\nXPhone shows: Available\n"]).await;
    done(&["xphone", "ben", "free"]).await;
    assert!(!hands(&["teams", "carl", "call"]).await.status.success());
    assert_eq!((serving.stop().await.0, emulators.stop().await.0), (Some(0), Some(0)));
}

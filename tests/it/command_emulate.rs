//! `presence-gateway emulate` with a tenant that is known beforehand, as the compose file starts it.

use tokio::io::{AsyncBufReadExt, BufReader};

use crate::command::{Serving, gateway, read_until};

#[tokio::test]
async fn the_emulated_tenant_can_be_chosen_and_lets_nobody_else_in() {
    let (tenant, client) = ("00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002");
    let ports = ["--graph-listen", "127.0.0.1:0", "--xphone-listen", "127.0.0.1:0"];
    let chosen = ["--tenant-id", tenant, "--client-id", client, "--client-secret", "known-beforehand"];
    let mut emulators = Serving::start(gateway(&[&["emulate"][..], &ports, &chosen].concat(), &[]));
    let mut printed = BufReader::new(emulators.stdout()).lines();
    let printed = read_until(&mut printed, "# Control").await.join("\n");
    for setting in [
        format!("GATEWAY__GRAPH__TENANT_ID={tenant}\n"),
        format!("GATEWAY__GRAPH__CLIENT_ID={client}\n"),
        "GATEWAY__GRAPH__CLIENT_SECRET=known-beforehand\n".to_owned(),
    ] {
        assert!(printed.contains(&setting), "{setting} is missing in: {printed}");
    }
    let login = printed.lines().find_map(|line| line.strip_prefix("GATEWAY__GRAPH__LOGIN_URL=")).unwrap();
    let answer = async |tenant: &str, secret: &str| {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", client),
            ("client_secret", secret),
            ("scope", "https://graph.microsoft.com/.default"),
        ];
        let url = format!("{login}/{tenant}/oauth2/v2.0/token");
        reqwest::Client::new().post(url).form(&form).send().await.unwrap().status().as_u16()
    };
    assert_eq!(answer(tenant, "known-beforehand").await, 200);
    assert_eq!(answer(tenant, "another").await, 401);
    assert_ne!(answer(client, "known-beforehand").await, 200);
    assert_eq!(emulators.stop().await.0, Some(0));
}

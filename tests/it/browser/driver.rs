//! A real Chromium behind chromedriver, and what a person does with a page.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fantoccini::wd::TimeoutConfiguration;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;

const CHROMIUM: &str = "/usr/bin/chromium";
const CHROMEDRIVER: &str = "/usr/bin/chromedriver";
/// How long anything on a page may take before the test gives up.
const DEADLINE: Duration = Duration::from_secs(20);
const ARGUMENTS: [&str; 9] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,800",
];

/// A chromedriver of our own on a free port; it and its browsers end with this value.
pub(super) struct Driver {
    child: Child,
    port: u16,
}

impl Driver {
    pub(super) fn start() -> Self {
        for (program, package) in [(CHROMIUM, "chromium"), (CHROMEDRIVER, "chromium-driver")] {
            assert!(
                Path::new(program).exists(),
                "{program} is missing: install the Debian package `{package}` (scripts/test.sh does)"
            );
        }
        let mut child = Command::new(CHROMEDRIVER)
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver starts");
        let mut lines = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok);
        let port = lines.find_map(|line| {
            line.split_once("started successfully on port ")?
                .1
                .trim_end_matches('.')
                .parse()
                .ok()
        });
        // The pipe stays open in a thread of its own, so that a later line of chromedriver does not end it.
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            child,
            port: port.expect("chromedriver names its port"),
        }
    }

    fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A browser with a profile of its own, on the page at `origin`.
    pub(super) async fn open(&self, origin: &str) -> Page {
        let profile = tempfile::tempdir().unwrap();
        let mut arguments = ARGUMENTS.map(str::to_owned).to_vec();
        arguments.push(format!("--user-data-dir={}", profile.path().display()));
        let capabilities = json!({
            "goog:chromeOptions": { "binary": CHROMIUM, "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let Value::Object(capabilities) = capabilities else {
            unreachable!()
        };
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&self.address())
            .await
            .expect("chromedriver starts a browser");
        client
            .update_timeouts(TimeoutConfiguration::new(
                Some(DEADLINE * 2),
                Some(DEADLINE),
                None,
            ))
            .await
            .unwrap();
        let page = Page {
            client,
            driver: self.address(),
            origin: origin.to_owned(),
            _profile: profile,
        };
        page.client.goto(origin).await.unwrap();
        page
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Asked to shut down, chromedriver also ends its browsers; killed, it would leave them behind.
        let asked = TcpStream::connect(("127.0.0.1", self.port)).and_then(|mut stream| {
            stream.set_read_timeout(Some(Duration::from_secs(10)))?;
            stream.write_all(b"GET /shutdown HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
            stream.read_to_end(&mut Vec::new())
        });
        if asked.is_err() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// CSS selector of an element by its test id.
pub(super) fn id(test_id: &str) -> String {
    format!("[data-testid=\"{test_id}\"]")
}

/// One browser showing Nova.
pub(super) struct Page {
    client: Client,
    driver: String,
    origin: String,
    _profile: TempDir,
}

impl Page {
    /// Waits until the page shows an element that `selector` names and whose text contains `text`.
    pub(super) async fn shows(&self, selector: &str, text: &str) {
        let condition = format!(
            "[...document.querySelectorAll({})].some((e) => e.checkVisibility() && e.textContent.includes({}))",
            json!(selector),
            json!(text)
        );
        self.until(&condition).await;
    }

    /// Waits until the condition (JavaScript) holds; it is looked at again whenever the document changes.
    pub(super) async fn until(&self, condition: &str) {
        let script = format!(
            "const done = arguments[0]; const holds = () => {condition};
             if (holds()) return done(true);
             const all = {{ subtree: true, childList: true, characterData: true, attributes: true }};
             const watch = new MutationObserver(() => holds() && (watch.disconnect(), done(true)));
             watch.observe(document, all);"
        );
        if let Err(error) = self.client.execute_async(&script, Vec::new()).await {
            let seen = self.value("document.body.innerText").await;
            panic!(
                "never became true: {condition}\n{error}\nthe page shows:\n{}",
                seen.as_str().unwrap_or_default()
            );
        }
    }

    /// The value of a JavaScript expression now.
    pub(super) async fn value(&self, expression: &str) -> Value {
        self.client
            .execute(&format!("return {expression};"), Vec::new())
            .await
            .unwrap()
    }

    /// Clicks the first visible element that `selector` names and whose text contains `text`.
    pub(super) async fn click_on(&self, selector: &str, text: &str) {
        self.shows(selector, text).await;
        for element in self.client.find_all(Locator::Css(selector)).await.unwrap() {
            if element.is_displayed().await.unwrap() && element.text().await.unwrap().contains(text) {
                return element.click().await.unwrap();
            }
        }
        panic!("{selector} with {text:?} went away before it could be clicked");
    }

    pub(super) async fn click(&self, test_id: &str) {
        self.click_on(&id(test_id), "").await;
    }

    /// Chooses a radio button the way a keyboard does, from the focus on it: the styled label covers it for a mouse.
    pub(super) async fn choose(&self, test_id: &str) {
        self.until(&format!(
            "document.querySelector({}) !== null",
            json!(id(test_id))
        ))
        .await;
        let radio = self.client.find(Locator::Css(&id(test_id))).await.unwrap();
        radio.send_keys(" ").await.unwrap();
    }

    pub(super) async fn reload(&self) {
        self.client.refresh().await.unwrap();
    }

    /// Types into a field, replacing what it holds.
    pub(super) async fn fill(&self, test_id: &str, text: &str) {
        self.shows(&id(test_id), "").await;
        let field = self.client.find(Locator::Css(&id(test_id))).await.unwrap();
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    pub(super) async fn go(&self, route: &str) {
        self.client
            .goto(&format!("{}/{route}", self.origin))
            .await
            .unwrap();
    }

    pub(super) async fn sign_in(&self, name: &str) {
        self.click("nav-sign-in").await;
        self.fill("username", name).await;
        self.click("sign-in").await;
        self.shows(&id("me"), name).await;
    }

    pub(super) async fn say(&self, text: &str) {
        self.fill("chat-text", text).await;
        self.click("chat-send").await;
    }

    /// Keeps a picture when `NOVA_SCREENSHOTS` names a directory for them.
    pub(super) async fn picture(&self, name: &str) {
        let Some(directory) = std::env::var_os("NOVA_SCREENSHOTS") else {
            return;
        };
        std::fs::create_dir_all(&directory).unwrap();
        let image = self.client.screenshot().await.unwrap();
        std::fs::write(Path::new(&directory).join(format!("{name}.png")), image).unwrap();
    }

    /// Asserts that neither the page nor the browser's console has an error (an exception, a violated policy, a
    /// failed load), and closes the browser. `expected` names answers that the test provoked, like ` 404 `.
    pub(super) async fn close_without_errors(self, expected: &[&str]) {
        let root = self.value("({...document.documentElement.dataset})").await;
        assert_eq!(root["errors"], "0", "{root}");
        let session = self.client.session_id().await.unwrap().unwrap();
        let log: Value = reqwest::Client::new()
            .post(format!("{}/session/{session}/se/log", self.driver))
            .json(&json!({ "type": "browser" }))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        let severe = log["value"]
            .as_array()
            .expect("the console's log")
            .iter()
            .filter(|entry| {
                let message = entry["message"].as_str().unwrap_or_default();
                entry["level"] == "SEVERE" && !expected.iter().any(|known| message.contains(known))
            });
        assert_eq!(
            severe.collect::<Vec<_>>(),
            Vec::<&Value>::new(),
            "errors in the console"
        );
        self.client.close().await.unwrap();
    }
}

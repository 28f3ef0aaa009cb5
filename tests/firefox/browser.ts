// A real Firefox, headless, driven by its own Marionette socket. Where there is none the tests are skipped with a
// message, except in CI.

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

import { describe } from "vitest";

import { until, within } from "../harness/index.ts";

const MISSING = "Web Push is tested in Firefox, which is not installed: `apt-get install firefox-esr`";

const executable = (process.env.PATH ?? "")
  .split(delimiter)
  .flatMap((directory) => ["firefox-esr", "firefox"].map((name) => join(directory, name)))
  .find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
const isSkipped = !executable && !process.env.CI;
if (isSkipped) console.warn(`skipped: ${MISSING}`);

/** A group of tests that need the browser. */
export const describeInFirefox = describe.skipIf(isSkipped);

/** Milliseconds that a command may take. */
const TIMEOUT = 30_000;

const PREFS = {
  "marionette.port": 0,
  // The service is at an address without TLS.
  "dom.push.testing.allowInsecureServerURL": true,
  // A browser under remote control has no push otherwise.
  "dom.push.connection.enabled": true,
  "remote.prefs.recommended": false,
  "permissions.default.desktop-notification": 1,
  // Headless there is no desktop that shows notifications; Firefox has windows of its own for them.
  "alerts.useSystemBackend": false,
  // Off by default, also in releases: without it a notification has no actions.
  "dom.webnotifications.actions.enabled": true,
  // A page that shows nothing would lose its subscription after 16 pushes.
  "dom.push.maxQuotaPerSubscription": 100_000,
  // Half an hour, and five seconds.
  "dom.push.pingInterval": 2_000,
  "dom.push.retryBaseInterval": 200,
  "app.update.enabled": false,
  "datareporting.policy.dataSubmissionEnabled": false,
  "browser.shell.checkDefaultBrowser": false,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
};

export class Firefox {
  readonly #profile = mkdtempSync(join(tmpdir(), "tagpost-firefox-"));
  #process: ChildProcess | undefined;
  #marionette: Socket | undefined;
  #received = Buffer.alloc(0);
  readonly #answers: ((message: any) => void)[] = [];
  #commands = 0;

  /** Starts it with this push service, on the profile it had before. */
  async start(pushUrl: string): Promise<void> {
    if (!executable) throw new Error(MISSING);
    const prefs = Object.entries({ ...PREFS, "dom.push.serverURL": pushUrl });
    const lines = prefs.map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});`);
    writeFileSync(join(this.#profile, "user.js"), lines.join("\n"));
    const port = join(this.#profile, "MarionetteActivePort");
    rmSync(port, { force: true });
    const options = ["--headless", "--no-remote", "--marionette", "--remote-allow-system-access"];
    this.#process = spawn(executable, [...options, "--profile", this.#profile], {
      stdio: "ignore",
      env: { ...process.env, HOME: this.#profile, MOZ_CRASHREPORTER_DISABLE: "1" },
    });
    const read = async () => {
      try {
        return Number(readFileSync(port, "utf8"));
      } catch {
        return 0;
      }
    };
    this.#marionette = connect(await until("Firefox to listen", read, (found) => found > 0, 60_000), "127.0.0.1");
    const greeting = this.#answer();
    this.#marionette.on("data", (data) => this.#take(data));
    await within(TIMEOUT, greeting);
    await this.command("WebDriver:NewSession", {});
  }

  /** Ends it as a user does. Its profile stays. */
  async quit(): Promise<void> {
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, "exit");
    // A signal would end it before it has written its settings, among them its id.
    await this.command("Marionette:Quit", { flags: ["eAttemptQuit"] });
    await within(TIMEOUT, exit);
    this.#marionette?.destroy();
    this.#received = Buffer.alloc(0);
    this.#answers.length = 0;
  }

  async stop(): Promise<void> {
    const child = this.#process;
    if (child && child.exitCode === null && child.signalCode === null) {
      const exit = once(child, "exit");
      child.kill("SIGKILL");
      await exit;
    }
    this.#marionette?.destroy();
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }

  async navigate(url: string): Promise<void> {
    await this.command("WebDriver:Navigate", { url });
  }

  /** The result of the body of an async function in the page. */
  async run(script: string, ...args: unknown[]): Promise<any> {
    const body = `const done = arguments[arguments.length - 1]; (async () => { ${script} })().then((value) => done({ value }), (error) => done({ error: String(error) }));`;
    const { value } = await this.command("WebDriver:ExecuteAsyncScript", { script: body, args, sandbox: null });
    if (value.error !== undefined) throw new Error(`the page failed: ${value.error}`);
    return value.value;
  }

  /** The titles of the notifications that are shown. */
  async notifications(): Promise<string[]> {
    return this.#asBrowser(`return Array.from(Services.wm.getEnumerator("alert:alert"), (alert) => alert.arguments[1]);`);
  }

  /** What the desktop tells Firefox when somebody taps an action of the notification with this title. */
  async tap(title: string, action: string): Promise<void> {
    await this.#asBrowser(
      `
        const [title, action] = arguments;
        const alert = Array.from(Services.wm.getEnumerator("alert:alert")).find((alert) => alert.arguments[1] === title);
        const QueryInterface = ChromeUtils.generateQI(["nsIAlertAction"]);
        const chosen = { QueryInterface, action, title: action, iconURL: "", windowsSystemActivationType: false, opaqueRelaunchData: "" };
        alert.arguments[10].observe(chosen, "alertclickcallback", null);
      `,
      title,
      action,
    );
  }

  /** As [run], with the rights of the browser itself. */
  async #asBrowser(script: string, ...args: unknown[]): Promise<any> {
    await this.command("Marionette:SetContext", { value: "chrome" });
    try {
      return await this.run(script, ...args);
    } finally {
      await this.command("Marionette:SetContext", { value: "content" });
    }
  }

  async command(name: string, parameters: object): Promise<any> {
    const text = JSON.stringify([0, ++this.#commands, name, parameters]);
    const answer = this.#answer();
    this.#marionette!.write(`${Buffer.byteLength(text)}:${text}`);
    const [, , error, result] = await within(TIMEOUT, answer);
    if (error) throw new Error(`${name}: ${error.error}: ${error.message}`);
    return result;
  }

  #answer(): Promise<any> {
    return new Promise((resolve) => void this.#answers.push(resolve));
  }

  /** Messages are JSON with their length in front: `7:[1,2,3]`. */
  #take(data: Buffer): void {
    this.#received = Buffer.concat([this.#received, data]);
    for (;;) {
      const colon = this.#received.indexOf(":");
      if (colon < 0) return;
      const end = colon + 1 + Number(this.#received.subarray(0, colon));
      if (this.#received.length < end) return;
      const message = JSON.parse(this.#received.subarray(colon + 1, end).toString());
      this.#received = this.#received.subarray(end);
      this.#answers.shift()?.(message);
    }
  }
}

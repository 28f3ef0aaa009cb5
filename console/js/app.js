// The page once there is a credential: the navigation bar, and the page that the address names.

import { Api, Problem } from "./api.js";
import { element, icon } from "./dom.js";
import { devicePage } from "./pages/device.js";
import { devicesPage } from "./pages/devices.js";
import { messagePage } from "./pages/message.js";
import { messagesPage } from "./pages/messages.js";
import { overviewPage } from "./pages/overview.js";
import { missing } from "./pages/page.js";
import { tagPage } from "./pages/tag.js";
import { tagsPage } from "./pages/tags.js";
import { Play } from "./play/play.js";
import { address } from "./routes.js";

/** The pages of an operator, and those that a device's token opens. */
const OPERATOR = { overview: overviewPage, devices: devicesPage, device: devicePage, tags: tagsPage, tag: tagPage, messages: messagesPage, message: messagePage, play: playPage };
const DEVICE = { message: messagePage, play: playPage };

/** What the bar leads to, and which pages belong to it. */
const PLACES = [
  { page: "overview", label: "Overview", href: address(), parts: [] },
  { page: "devices", label: "Devices", href: address("devices"), parts: ["device"] },
  { page: "tags", label: "Tags", href: address("tags"), parts: ["tag"] },
  { page: "messages", label: "Messages", href: address("messages"), parts: ["message"] },
  { page: "play", label: "Play", href: address("play"), parts: [] },
];

export class App {
  api;
  play;
  #place;
  #bar;
  #page;
  #memory = new Map();

  /**
   * `place`: where the pages go, `bar`: where the links to them go. `refused()` is called when the service no longer
   * accepts the admin key.
   */
  constructor(place, bar, opened, { refused }) {
    this.#place = place;
    this.#bar = bar;
    if (opened.adminKey) {
      this.api = new Api(opened.adminKey);
      this.api.get("v1/devices?limit=1").catch((error) => error instanceof Problem && error.status === 401 && refused());
    }
    this.play = new Play(opened, this.api);
  }

  get isOperator() {
    return this.api !== undefined;
  }

  /** What a page remembers from one time that it is opened to the next. */
  memory = (page) => {
    if (!this.#memory.has(page)) this.#memory.set(page, { wanted: "", top: 0 });
    return this.#memory.get(page);
  };

  /** Shows the page that an address names. @param {import("./routes.js").Route} route */
  show({ page: name, name: subject, query }) {
    this.#page?.stop?.();
    const pages = this.isOperator ? OPERATOR : DEVICE;
    const make = Object.hasOwn(pages, name) ? pages[name] : Object.hasOwn(OPERATOR, name) ? operatorsPage : unknownPage;
    this.#page = make(this, subject, query);
    document.title = `${this.#page.title} · tagpost`;
    const places = PLACES.filter(({ page }) => Object.hasOwn(pages, page));
    this.#bar.replaceChildren(...places.map((place) => this.#way(place, name)));
    this.#place.replaceChildren(this.#page.element);
    this.#place.hidden = this.#bar.hidden = false;
    scrollTo(0, 0);
    this.#page.start?.();
  }

  /** Leads to the page's title, for those who do not see that another page is shown. */
  focus() {
    this.#place.querySelector("h1")?.focus();
  }

  #way({ page, label, href, parts }, shown) {
    const isCurrent = page === shown || parts.includes(shown);
    return element("a", { href, "aria-current": isCurrent && "page" }, icon(page), element("span", {}, label));
  }

  stop() {
    this.#page?.stop?.();
    this.api?.end();
    this.play.stop();
    this.#place.replaceChildren();
    this.#place.hidden = this.#bar.hidden = true;
  }
}

function playPage({ play }) {
  return { title: "Play", element: play.element };
}

function operatorsPage() {
  return {
    title: "Admin key needed",
    element: missing("This page needs the admin key", "You are signed in with a device’s token. Sign out, and sign in with the admin key.", "Play devices", "play"),
  };
}

function unknownPage({ isOperator }) {
  const lead = isOperator ? ["Overview"] : ["Play devices", "play"];
  return { title: "No such page", element: missing("There is no such page", "The address may be mistyped.", ...lead) };
}

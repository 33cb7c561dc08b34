// The page as the server serves it, with all that browsers are told about it: what was built in, or
// the page in its place.

import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { launch, open, screenshot } from "./browser.mjs";
import { Server } from "./server.mjs";

let browser;
let server;

before(async () => {
  [browser, server] = await Promise.all([launch(), Server.start()]);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

/** What the page has got of the server, by path. */
function files(page) {
  return page.evaluate(() => {
    const entries = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
    return entries.map(({ name, transferSize, decodedBodySize }) => ({
      path: new URL(name).pathname,
      sent: transferSize,
      size: decodedBodySize,
    }));
  });
}

test("page keeps its content security policy", async (t) => {
  const page = await open(t, browser, server.url);
  await page.waitForLoadState("load");
  assert.match(await page.title(), /Further Link/);
  await page.locator("h1, #page > *").first().waitFor();
  await screenshot(page, "served");
});

test("other pages keep their content security policy", async (t) => {
  const beside = [];
  for (const path of ["/examples/"]) {
    // A server without the built page has none.
    const answer = await fetch(server.url + path);
    if (answer.status === 404) continue;
    assert.equal(answer.status, 200, path);
    beside.push(path);
    if (path !== "/examples/") continue;
    for (const [, link] of (await answer.text()).matchAll(/href="([^"/:]+\.html)"/g)) beside.push(path + link);
  }
  for (const path of beside) {
    await t.test(path, async (t) => {
      const page = await open(t, browser, server.url + path);
      await page.waitForLoadState("load");
      await page.locator("body", { hasText: /\S/ }).waitFor();
    });
  }
});

test("files are compressed and cached", async (t) => {
  const page = await open(t, browser, server.url);
  await page.waitForLoadState("load");
  const first = await files(page);
  assert.ok(first.length > 0);
  for (const { path, sent, size } of first.filter(({ path, size }) => /\.(js|css)$/.test(path) && size > 2000)) {
    assert.ok(sent < size, `${path}: ${sent} bytes were sent for ${size}`);
  }
  await page.reload();
  await page.waitForLoadState("load");
  // What is loaded later may not have been there yet.
  const had = new Set(first.filter(({ size }) => size > 0).map(({ path }) => path));
  for (const { path, sent } of await files(page)) {
    // A few hundred bytes are a head: the server was asked, and had nothing new.
    if (!had.has(path)) continue;
    if (path.startsWith("/assets/")) assert.equal(sent, 0, `${path} was asked for again`);
    else if (path === "/") assert.ok(sent < 1000, `${path}: ${sent} bytes`);
  }
});

test("content security policy allows what the page needs, and no more", async (t) => {
  const context = await browser.newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  await page.goto(server.url);
  const outcome = await page.evaluate(async (elsewhere) => {
    const add = (name, properties) => {
      const element = Object.assign(document.createElement(name), properties);
      document.body.append(element);
      return element;
    };
    const loads = (name, src) => new Promise((done) => {
      const element = add(name, { onload: () => done(true), onerror: () => done(false) });
      element.src = src;
    });
    const frames = (src) => new Promise((done) => {
      // What is shown instead of a forbidden page is of nobody's origin.
      const frame = Object.assign(document.createElement("iframe"), { src });
      frame.onload = () => done(frame.contentDocument !== null);
      document.body.append(frame);
    });
    const forbidden = new Set();
    addEventListener("securitypolicyviolation", (event) => forbidden.add(event.effectiveDirective));
    const opens = (url) => new Promise((done) => {
      const socket = new WebSocket(url);
      socket.onopen = () => done(true);
      socket.onerror = () => done(false);
    });
    add("style", { textContent: "#probe { width: 17px }" });
    const probe = add("div", { id: "probe" });
    probe.setAttribute("style", "height: 19px; display: block");
    add("script", { textContent: "window.inlineScriptRan = true" });
    add("button", { id: "press" }).setAttribute("onclick", "window.handlerRan = true");
    document.getElementById("press").click();
    const picture = "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' width='1' height='1'/>";
    const blob = URL.createObjectURL(await new Response(decodeURI(picture.split(",")[1]), { headers: { "content-type": "image/svg+xml" } }).blob());
    const evaluated = () => {
      try {
        return new Function("return true")();
      } catch {
        return false;
      }
    };
    return {
      "a style element": getComputedStyle(probe).width === "17px",
      "a style attribute": getComputedStyle(probe).height === "19px",
      "a picture as data": await loads("img", picture),
      "a picture as blob": await loads("img", blob),
      "a socket to this server": await opens(`${location.origin.replace("http", "ws")}/run`),
      "a request to this server": await fetch("/status").then(() => true, () => false),
      "a script in the page": window.inlineScriptRan === true,
      "a handler in the page": window.handlerRan === true,
      "a script from a text": evaluated(),
      "a script as blob": await loads("script", URL.createObjectURL(new Blob([""], { type: "text/javascript" }))),
      "a script from elsewhere": await loads("script", `${elsewhere}/status`),
      "a frame": await frames("/status"),
      // The server over there would refuse it, too.
      "a socket to elsewhere": await opens(`${elsewhere.replace("http", "ws")}/run`).then(() => !forbidden.has("connect-src")),
      "a request to elsewhere": await fetch(`${elsewhere}/status`, { mode: "no-cors" }).then(() => true, () => false),
    };
  }, server.url.replace("127.0.0.1", "localhost"));
  const [needed, others] = [Object.entries(outcome).slice(0, 6), Object.entries(outcome).slice(6)];
  for (const [what, works] of needed) assert.equal(works, true, what);
  for (const [what, works] of others) assert.equal(works, false, what);
});

test("page of another site gets nothing", async (t) => {
  const context = await browser.newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  // Not "127.0.0.1" but the same server, so another site.
  const other = server.url.replace("127.0.0.1", "localhost");
  await page.goto(`${other}/status`);
  const outcome = (code) => page.evaluate(code, server.url);
  const refused = (url) => fetch(`${url}/`).then(() => "read", () => "refused");
  assert.equal(await outcome(refused), "refused");
  const embedded = (url) => new Promise((done) => {
    const script = document.createElement("script");
    script.onload = () => done("run");
    script.onerror = () => done("refused");
    script.src = `${url}/index.html`;
    document.documentElement.append(script);
  });
  assert.equal(await outcome(embedded), "refused");
  const device = (url) => new Promise((done) => {
    const events = new EventSource(`${url}/device?watch`);
    events.onopen = () => done("read");
    events.onerror = () => done("refused");
  });
  assert.equal(await outcome(device), "refused");
});

test("device status arrives as server-sent events", async (t) => {
  const page = await open(t, browser, server.url);
  const told = await page.evaluate(() => new Promise((done, failed) => {
    const events = new EventSource("/device");
    events.onerror = () => failed(new Error("the stream failed"));
    events.addEventListener("device", (event) => {
      const device = JSON.parse(event.data);
      if (device.cpu.load !== null) done(device);
    });
  }));
  assert.ok(told.cpu.load >= 0 && told.cpu.load <= 1, JSON.stringify(told));
  assert.equal(told.cpu.count, told.cpu.cores.length);
});

/** Where the page begins. */

import { effect } from "@preact/signals";
import { render } from "preact";
import { begin } from "./files/workspace";
import { App } from "./shell/App";
import { applySettings } from "./shell/settings";
import { follow } from "./status/status";
import { language } from "./text";

applySettings(document.documentElement);
effect(() => {
  document.documentElement.lang = language.value;
});
follow();
begin();

const page = document.getElementById("page");
if (page !== null) render(<App />, page);

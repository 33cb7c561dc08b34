/**
 * Puts CodeMirror's styles into a sheet that is made by script: it would make a `<style>` element,
 * which the page's content security policy does not let in.
 */

import { StyleModule } from "style-mod";

const mounted: StyleModule[] = [];
const sheet = new CSSStyleSheet();

StyleModule.mount = (_root, given) => {
  if (!document.adoptedStyleSheets.includes(sheet))
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  const modules = Array.isArray(given) ? given : [given as StyleModule];
  if (modules.every((module) => mounted.includes(module))) return;
  // Those that come later in what is given have precedence, so all of them keep their order.
  const others = mounted.filter((module) => !modules.includes(module));
  mounted.splice(0, mounted.length, ...others, ...modules);
  sheet.replaceSync(mounted.map((module) => module.getRules()).join("\n"));
};

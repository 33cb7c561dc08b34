/** The terminal's library and its parts, as one piece that is loaded with the first terminal. */

export { ClipboardAddon } from "@xterm/addon-clipboard";
export { FitAddon } from "@xterm/addon-fit";
export { SearchAddon } from "@xterm/addon-search";
export { UnicodeGraphemesAddon } from "@xterm/addon-unicode-graphemes";
export { WebLinksAddon } from "@xterm/addon-web-links";
export { Terminal } from "@xterm/xterm";
import "@xterm/xterm/css/xterm.css";

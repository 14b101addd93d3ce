/** The script of `<trade-count>`: loading it is all that a page has to do. */

import { define } from "./element.ts";

/** The API puts its hub's address here when it serves the script. */
const HUB = "@OUTCRY_HUB@";

const script = document.currentScript;
define(script instanceof HTMLScriptElement && script.src ? new URL(script.src).origin : "", HUB);

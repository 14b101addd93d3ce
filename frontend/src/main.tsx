/** The entry. */

import "./styles/index.css";
import { render } from "preact";
import { App } from "./app/App.tsx";

const root = document.getElementById("root");
if (root) render(<App />, root);

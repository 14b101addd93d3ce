export { start } from "../bots/page.tsx";

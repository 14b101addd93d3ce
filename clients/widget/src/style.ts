/** How the element looks. Everything that a page may want otherwise is a custom property. */

export const STYLE = `
:host {
  display: inline-flex;
  flex-direction: column;
  gap: 0.15em;
  padding: var(--trade-count-padding, 0.6em 0.9em);
  border: var(--trade-count-border, 1px solid color-mix(in srgb, currentColor 18%, transparent));
  border-radius: var(--trade-count-radius, 0.6em);
  background: var(--trade-count-background, transparent);
  color: var(--trade-count-color, inherit);
  font: var(--trade-count-font, 1rem/1.3 system-ui, sans-serif);
}
:host([hidden]) { display: none; }
.label { font-size: 0.8em; opacity: 0.75; }
.row { display: flex; align-items: center; gap: 0.4em; }
.number {
  display: inline-flex;
  min-height: 1.25em;
  line-height: 1.25;
  font-size: var(--trade-count-size, 1.6em);
  font-weight: var(--trade-count-weight, 650);
  font-variant-numeric: tabular-nums;
  color: var(--trade-count-accent, inherit);
}
.cell { display: inline-block; height: 1.25em; overflow: hidden; white-space: pre; }
.reel { display: block; }
.reel > span { display: block; height: 1.25em; }
.dot {
  width: 0.45em; height: 0.45em; border-radius: 50%;
  background: var(--trade-count-live, #16a34a);
  visibility: hidden;
}
:host([data-live]) .dot { visibility: visible; }
.skeleton {
  display: inline-block; width: 5ch; height: 1em; margin: 0.15em 0; border-radius: 0.25em;
  background: color-mix(in srgb, currentColor 16%, transparent);
  animation: breathe 1.4s ease-in-out infinite;
}
.quiet { font-weight: 400; opacity: 0.6; }
.read { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@keyframes breathe { 50% { opacity: 0.4; } }
@keyframes roll { from { transform: translateY(var(--from)); } to { transform: translateY(var(--to)); } }
.reel.rolls { animation: roll var(--trade-count-roll, 500ms) cubic-bezier(0.2, 0.7, 0.2, 1) both; }
@media (prefers-reduced-motion: reduce) {
  .skeleton, .reel.rolls { animation: none; }
  .reel.rolls { transform: translateY(var(--to)); }
}
`;

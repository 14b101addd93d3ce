/** A token's face, made of its address: nobody can choose another's. */

interface Props {
  readonly address: string;
  readonly symbol: string;
  /** px. */
  readonly size?: number;
}

export function Avatar({ address, symbol, size = 28 }: Props) {
  const { from, to, turn } = coloursOf(address);
  return (
    <i
      class="avatar"
      aria-hidden="true"
      style={{
        width: `${size}px`, height: `${size}px`, fontSize: `${Math.round(size * 0.4)}px`,
        background: `linear-gradient(${turn}deg, hsl(${from} 62% 46%), hsl(${to} 66% 36%))`,
      }}
    >
      {[...symbol][0]?.toUpperCase() ?? "?"}
    </i>
  );
}

/** Two hues that are apart but not opposite, and a direction. */
export function coloursOf(address: string): { readonly from: number; readonly to: number; readonly turn: number } {
  const number = (at: number): number => Number.parseInt(address.slice(at, at + 4), 16) || 0;
  const from = number(2) % 360;
  return { from, to: (from + 40 + (number(6) % 80)) % 360, turn: number(10) % 360 };
}

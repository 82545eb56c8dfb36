/** Keeps the layout while data is on its way; appears only after 150 ms. */
export function Skeleton({ rows = 3, height }: { rows?: number; height?: number | undefined }) {
  return (
    <div className="late grid content-start gap-2" style={{ minHeight: height }} aria-hidden="true">
      {Array.from({ length: rows }, (_, row) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: rows of a skeleton have no identity
        <div key={row} className="h-5 rounded-[3px] bg-sunken" />
      ))}
    </div>
  )
}

import type { CSSProperties } from 'react'

/** Keeps the layout while data is on its way; appears only after 150 ms. */
export function Skeleton({
  rows = 3,
  height,
  phoneHeight = height,
}: {
  rows?: number
  height?: number | undefined
  /** On a phone, where columns are below each other, the content is taller. */
  phoneHeight?: number | undefined
}) {
  const style = { '--height': `${height ?? 0}px`, '--phone-height': `${phoneHeight ?? 0}px` } as CSSProperties
  return (
    <div
      className="late grid min-h-(--phone-height) content-start gap-2 sm:min-h-(--height)"
      style={style}
      aria-hidden="true"
    >
      {Array.from({ length: rows }, (_, row) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: rows of a skeleton have no identity
        <div key={row} className="h-5 rounded-[3px] bg-sunken" />
      ))}
    </div>
  )
}

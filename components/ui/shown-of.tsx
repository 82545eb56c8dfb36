import { formatNumber } from './format.ts'

/** `12 of 40`: how many of a list its filter shows. */
export function ShownOf({ shown, all }: { shown: number; all: number }) {
  return (
    <>
      <span className="num">{formatNumber(shown)}</span> of <span className="num">{formatNumber(all)}</span>
    </>
  )
}

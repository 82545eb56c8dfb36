'use client'

import { RANGE_LABEL, RANGES } from '../data/range.ts'
import { useRange } from './use-range.ts'

export function RangePicker() {
  const { range, pick } = useRange()
  const zoomed = range.from !== null
  return (
    <fieldset className="flex items-center gap-0.5 rounded-[4px] border border-hairline p-0.5">
      <legend className="sr-only">Time range</legend>
      {RANGES.map((name) => {
        const on = !zoomed && range.name === name
        return (
          <button
            key={name}
            type="button"
            aria-pressed={on}
            onClick={() => pick(name)}
            className={`min-h-7 rounded-[3px] px-2 text-xs max-sm:min-h-9 ${on ? 'bg-accent-wash font-semibold text-accent' : 'text-soft hover:text-ink'}`}
          >
            {RANGE_LABEL[name]}
          </button>
        )
      })}
      {zoomed && (
        <button
          type="button"
          onClick={() => pick(range.name)}
          className="min-h-7 rounded-[3px] bg-accent-wash px-2 font-semibold text-accent text-xs"
        >
          Zoomed · back to {RANGE_LABEL[range.name]}
        </button>
      )}
    </fieldset>
  )
}

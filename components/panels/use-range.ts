import { parseAsInteger, parseAsStringLiteral, useQueryStates } from 'nuqs'
import { useCallback, useMemo } from 'react'
import { RANGES, type Range, type RangeName } from '../data/range.ts'

/** The range lives in the URL, so that a shared link shows the same; a zoomed one is absolute. */
export const useRange = () => {
  const [values, setValues] = useQueryStates(
    { range: parseAsStringLiteral(RANGES).withDefault('live'), from: parseAsInteger, to: parseAsInteger },
    { history: 'push' },
  )
  const range: Range = useMemo(
    () => ({ name: values.range, from: values.from, to: values.to }),
    [values.range, values.from, values.to],
  )
  const pick = useCallback(
    (name: RangeName) => void setValues({ range: name, from: null, to: null }),
    [setValues],
  )
  const zoom = useCallback(
    (from: number, to: number) => void setValues({ from: Math.round(from), to: Math.round(to) }),
    [setValues],
  )
  return { range, pick, zoom }
}

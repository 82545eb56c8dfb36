import { parseAsInteger, useQueryStates } from 'nuqs'
import { useCallback } from 'react'

/** The span dragged on a chart; it filters the timeline's rows too, and is part of a shared link. */
export const useIncidentSpan = () => {
  const [span, setSpan] = useQueryStates({ from: parseAsInteger, to: parseAsInteger }, { history: 'push' })
  const zoom = useCallback(
    (from: number, to: number) => void setSpan({ from: Math.round(from), to: Math.round(to) }),
    [setSpan],
  )
  const reset = useCallback(() => void setSpan({ from: null, to: null }), [setSpan])
  return { ...span, zoom, reset }
}

'use client'

import { useKnown } from '../data/known.ts'
import { useOverview } from '../data/overview.ts'

/** Has screen readers announce a change of the verdict: an outage at once, the rest when there is time. */
export function Announcer() {
  const { data } = useOverview()
  const { known } = useKnown()
  const outage = known && data?.verdict.level === 'outage'
  // Numbers within the sentence change all the time; only the level is worth interrupting for.
  const text = !known
    ? 'The state of the fleet is not known at the moment'
    : data
      ? outage
        ? 'Outage'
        : data.verdict.level === 'attention'
          ? 'The fleet needs attention'
          : 'Everything is all right'
      : ''
  return (
    <>
      <div className="sr-only" aria-live="assertive">
        {outage ? text : ''}
      </div>
      <div className="sr-only" aria-live="polite">
        {outage ? '' : text}
      </div>
    </>
  )
}

'use client'

import { useKnown } from '../data/known.ts'
import { useOverview } from '../data/overview.ts'
import { StateGlyph } from '../ui/state-glyph.tsx'
import { Time } from '../ui/time.tsx'
import { roomProblems, shortText } from './room-problems.ts'

/** What is wrong with the control room itself, on every page, with what to do. */
export function RoomProblemLines() {
  const { data } = useOverview()
  const { known } = useKnown()
  const problems = roomProblems(data)
  if (problems.length === 0) return null
  return (
    <section aria-label="Problems of the control room" className="border-degraded border-b bg-degraded-wash">
      <ul>
        {problems.map((problem) => (
          <li
            key={`${problem.code} ${problem.text}`}
            data-room-problem={problem.code}
            className="mx-auto flex max-w-[1440px] items-baseline gap-2 px-4 py-1.5 sm:px-6"
          >
            <span className="text-degraded">
              <StateGlyph shape={known ? 'degraded' : 'unknown'} />
            </span>
            <span className="wrap-anywhere min-w-0">
              <strong className="font-semibold">{shortText(problem)}</strong> {problem.remedy}{' '}
              <span className="text-soft">
                Since <Time at={problem.since} />.
              </span>
              {problem.details && problem.details.length > 0 && (
                <details className="pt-1">
                  <summary className="min-h-6">
                    {problem.details.length === 1 ? 'Show it' : `Show all ${problem.details.length}`}
                  </summary>
                  <ul className="grid gap-1 py-1 pl-4">
                    {problem.details.map((detail) => (
                      <li key={detail} className="list-disc">
                        {detail}
                      </li>
                    ))}
                  </ul>
                </details>
              )}
            </span>
          </li>
        ))}
      </ul>
    </section>
  )
}

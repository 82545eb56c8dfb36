import Link from 'next/link'
import type { DrainNotice } from '@/server/contract/drains.ts'
import { errorText } from '../data/error-text.ts'
import { ApiError } from '../data/http.ts'

/** Why a drain did not start, with what to do about it. */
export function StartProblem({ error }: { error: Error | null }) {
  if (!error) return null
  const facts = error instanceof ApiError ? error.facts : {}
  const running =
    error instanceof ApiError && error.code === 'ERR_DRAIN_RUNNING' && typeof facts.id === 'string'
      ? facts.id
      : null
  const blockers = Array.isArray(facts.blockers) ? (facts.blockers as DrainNotice[]) : []
  return (
    <div role="alert" className="grid gap-1 text-down">
      <p>{errorText(error)}</p>
      {blockers.map((blocker) => (
        <p key={blocker.code}>{blocker.message}</p>
      ))}
      {running && /^[\w-]{10,}$/.test(running) && (
        <Link href={`/drains/${running}`} className="underline underline-offset-2">
          Go to that drain
        </Link>
      )}
    </div>
  )
}

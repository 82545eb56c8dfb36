import type { Drain, Remaining } from '@/server/contract/drains.ts'

/** What is left on all nodes together; null while not one of them is known. */
export const leftOf = (drain: Pick<Drain, 'steps'>): Remaining | null => {
  const known = drain.steps.flatMap((step) => step.remaining ?? [])
  if (known.length === 0) return null
  const sum = (name: keyof Remaining) => known.reduce((total, remaining) => total + remaining[name], 0)
  return {
    connections: sum('connections'),
    requests: sum('requests'),
    tunnels: sum('tunnels'),
    pushes: sum('pushes'),
  }
}

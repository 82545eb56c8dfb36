/** Seconds that each phase of a node's drain may take, and whether they fit below the ceiling. */
export interface DrainBudget {
  preDrainSeconds: number
  httpSeconds: number
  tunnelsSeconds: number
  marginSeconds: number
  ceilingSeconds: number
  fits: boolean
}

const MAX_SECONDS = 86_400

const readSeconds = (
  env: Record<string, string | undefined>,
  names: readonly string[],
  fallback: number,
  warnings: string[],
): number => {
  for (const name of names) {
    const raw = env[name]
    if (raw === undefined) continue
    const value = Number(raw)
    if (/^\d{1,5}$/.test(raw.trim()) && value <= MAX_SECONDS) return value
    warnings.push(
      `${name} is "${raw.slice(0, 40)}"; it must be an integer from 0 to ${MAX_SECONDS}, so ${fallback} is used`,
    )
    return fallback
  }
  return fallback
}

/**
 * Reads the `SHUTDOWN_*` family. A value is an integer from 0 to 86 400; 0 skips the wait; anything else falls back to the
 * default with a warning that names the variable, the value and the limit. Nothing throws.
 */
export const readDrainBudget = (
  env: Record<string, string | undefined>,
): { budget: DrainBudget; warnings: string[] } => {
  const warnings: string[] = []
  const preDrainSeconds = readSeconds(env, ['SHUTDOWN_PRE_DRAIN_SECS'], 10, warnings)
  const httpSeconds = readSeconds(env, ['SHUTDOWN_HTTP_DRAIN_SECS'], 45, warnings)
  const tunnelsSeconds = readSeconds(
    env,
    ['SHUTDOWN_TUNNEL_DRAIN_SECS', 'SHUTDOWN_SIGNER_DRAIN_SECS'],
    10,
    warnings,
  )
  const ceilingSeconds = readSeconds(env, ['SHUTDOWN_GRACE_PERIOD_CEILING_SECS'], 120, warnings)
  const marginSeconds = 10
  const total = preDrainSeconds + httpSeconds + tunnelsSeconds + marginSeconds
  const fits = total <= ceilingSeconds
  if (!fits) {
    warnings.push(
      `The drain may take ${preDrainSeconds} + ${httpSeconds} + ${tunnelsSeconds} + ${marginSeconds} s (margin) = ${total} s, above the ceiling of ${ceilingSeconds} s; it may be killed half-way`,
    )
  }
  return {
    budget: { preDrainSeconds, httpSeconds, tunnelsSeconds, marginSeconds, ceilingSeconds, fits },
    warnings,
  }
}

/**
 * Seconds that a whole drain may take, its margin included.
 *
 * @param marginSeconds instead of the budget's own
 */
export const totalDrainSeconds = (
  env: Record<string, string | undefined>,
  marginSeconds?: number,
): number => {
  const { budget } = readDrainBudget(env)
  return (
    budget.preDrainSeconds +
    budget.httpSeconds +
    budget.tunnelsSeconds +
    (marginSeconds ?? budget.marginSeconds)
  )
}

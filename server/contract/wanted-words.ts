import type { NodeProbeAnswer } from './answers/node-probe.ts'

/** How whoever looks gives what is asked for: options of a command, or fields of a page. */
interface Means {
  password: string
  certificate: string
}

/**
 * What a system asks for before it says what it is, as the first sentence about it; null where it asks for nothing.
 *
 * @param means completes "give it …"
 */
export const wantedWords = (
  { wants, reading }: Pick<NodeProbeAnswer, 'wants' | 'reading'>,
  { password, certificate }: Means,
): string | null => {
  if (wants === null) return null
  const status = reading?.status ?? null
  const answered = status === null ? '' : ` (it answered ${status})`
  return {
    password: `It wants a user and a password that it knows${answered}: give it ${password}.`,
    certificate: `It probably wants a client certificate${answered}: give it ${certificate}.`,
    access: `It refuses to be looked at${answered}: give it ${password} or ${certificate}, or let the collector's address in there.`,
  }[wants]
}

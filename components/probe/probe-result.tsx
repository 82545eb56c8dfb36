'use client'

import { useState } from 'react'
import type { NodeProbeAnswer } from '@/server/contract/answers/node-probe.ts'
import { wantedWords } from '@/server/contract/wanted-words.ts'
import { FactTable } from '../panels/fact-table.tsx'
import { Button } from '../ui/button.tsx'
import { formatDuration, formatNumber } from '../ui/format.ts'
import { PlainTable } from '../ui/plain-table.tsx'

/** What was found at an address: the verdict, the line to paste, then the evidence. */
export function ProbeResult({ found }: { found: NodeProbeAnswer }) {
  const { guesses, reading, understood, notUnderstood, problems, choices, verbs, tables, entry, kind } = found
  return (
    <div className="mt-5 grid grid-cols-[minmax(0,1fr)] gap-5" aria-live="polite">
      <div className="grid max-w-prose gap-1">
        <p className="font-semibold">{verdictOf(found)}</p>
        {guesses.slice(1).map((guess) => (
          <p key={`${guess.kind}${guess.preset ?? ''}`} className="text-soft">
            It could also be {guess.kind}
            {guess.preset && ` (${guess.preset})`}: {guess.why}.
          </p>
        ))}
        {reading && reading.outcome !== 'ok' && <p className="text-down">{reading.reason}</p>}
        {kind !== null && <p className="text-soft">{verbs.words}</p>}
      </div>
      {entry !== '' && <EntryToPaste entry={entry} />}
      {understood.length > 0 && (
        <section>
          <h3 className="mb-1 font-medium">
            Understood{reading && ` in ${formatDuration(reading.durationMs)}`}
          </h3>
          <PlainTable label="Understood" head={['What', 'Value', 'Unit', 'Name']} numeric={[1]}>
            {understood.map(({ name, label, value, unit }) => (
              <tr key={name}>
                <td>{label}</td>
                <td className="num">{wordsOf(value)}</td>
                <td className="text-soft">{unit}</td>
                <td className="num text-left! text-faint">{name}</td>
              </tr>
            ))}
          </PlainTable>
        </section>
      )}
      {problems.length > 0 && (
        <section>
          <h3 className="mb-1 font-medium">Its problems</h3>
          <ul className="list-disc pl-5 text-degraded">
            {problems.map((each) => (
              <li key={each}>{each}</li>
            ))}
          </ul>
        </section>
      )}
      {notUnderstood.some((each) => each !== reading?.reason) && (
        <section>
          <h3 className="mb-1 font-medium">Not understood</h3>
          <ul className="list-disc pl-5 text-degraded">
            {notUnderstood.map((each) => (
              <li key={each}>{each}</li>
            ))}
          </ul>
        </section>
      )}
      {choices.length > 0 && (
        <section>
          <h3 className="mb-1 font-medium">Can be mapped</h3>
          <PlainTable label="Values that can be mapped" head={['At', 'Value', 'Probably']} numeric={[1]}>
            {choices.map(({ at, value, suggestion }) => (
              <tr key={at}>
                <td className="num">{at}</td>
                <td className="num">{wordsOf(value)}</td>
                <td className={suggestion ? 'num' : 'text-faint'}>{suggestion ?? 'nothing known'}</td>
              </tr>
            ))}
          </PlainTable>
        </section>
      )}
      {tables.map((table) => (
        <section key={table.id}>
          <h3 className="mb-1 font-medium">{table.title}</h3>
          <FactTable table={table} />
        </section>
      ))}
    </div>
  )
}

const verdictOf = (found: NodeProbeAnswer): string => {
  const { kind, guesses, reading } = found
  const wanted = wantedWords(found, {
    password: 'both above, under “It wants a password or a certificate”',
    certificate: 'one and its key above, under “It wants a password or a certificate”',
  })
  if (wanted !== null) return wanted
  const [best] = guesses
  const preset = best?.preset === undefined ? '' : ` (${best.preset})`
  if (kind === null && reading !== null && reading.outcome !== 'ok' && reading.status === null)
    return 'Nothing answers there.'
  if (kind === null) return 'Nothing was recognised there. Choose its kind if you know it.'
  if (best) return `It looks like ${best.kind}${preset}: ${best.why}.`
  return reading?.outcome === 'ok' ? `It answers as ${kind} should.` : `It does not answer as ${kind} should.`
}

const wordsOf = (value: number | boolean | string): string =>
  typeof value === 'number'
    ? formatNumber(value)
    : typeof value === 'boolean'
      ? value
        ? 'yes'
        : 'no'
      : value

/** The line for `tidegate.yaml`. */
function EntryToPaste({ entry }: { entry: string }) {
  const [copied, setCopied] = useState<boolean | null>(null)
  const copy = (): void => {
    // Without TLS a browser has no clipboard for pages; the line can be marked by hand.
    const written = navigator.clipboard?.writeText(entry) ?? Promise.reject(new Error('no clipboard'))
    written.then(
      () => setCopied(true),
      () => setCopied(false),
    )
  }
  return (
    <section>
      <h3 className="mb-1 font-medium">
        The line for <code className="num">nodes</code> of tidegate.yaml
      </h3>
      <div className="flex flex-wrap items-start gap-3">
        <pre
          // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard
          tabIndex={0}
          className="num min-w-0 flex-1 select-all overflow-x-auto whitespace-pre-wrap break-all rounded-[4px] border border-hairline bg-sunken p-3 text-xs"
        >
          {entry}
        </pre>
        <Button onClick={copy}>Copy</Button>
      </div>
      <p role="status" className="mt-1 text-faint">
        {copied === true
          ? 'Copied. The file is read by itself once it is saved.'
          : copied === false
            ? 'The browser does not allow copying here; mark the line instead.'
            : 'Give it the name and region that you want; the file is read by itself once it is saved.'}
      </p>
    </section>
  )
}

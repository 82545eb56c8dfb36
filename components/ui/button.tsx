import type { ButtonHTMLAttributes, Ref } from 'react'

export type Tone = 'primary' | 'plain' | 'quiet' | 'danger'

const TONES: Record<Tone, string> = {
  primary: 'bg-accent text-accent-ink border-accent hover:opacity-90',
  plain: 'bg-raised text-ink border-hairline-strong hover:border-ink-soft hover:bg-sunken',
  quiet: 'border-transparent text-accent hover:bg-accent-wash',
  danger: 'bg-raised text-down border-down hover:bg-down-wash',
}

export const buttonClass = (tone: Tone = 'plain'): string =>
  `inline-flex min-h-8 items-center justify-center gap-1.5 rounded-[4px] border px-3 py-1 text-sm font-medium whitespace-nowrap disabled:opacity-60 disabled:pointer-events-none aria-disabled:opacity-60 aria-disabled:cursor-not-allowed max-sm:min-h-10 ${TONES[tone]}`

export function Button({
  tone = 'plain',
  className = '',
  ...rest
}: ButtonHTMLAttributes<HTMLButtonElement> & { tone?: Tone; ref?: Ref<HTMLButtonElement> }) {
  return <button type="button" {...rest} className={`${buttonClass(tone)} ${className}`} />
}

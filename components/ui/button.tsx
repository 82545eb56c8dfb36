import type { ButtonHTMLAttributes, Ref } from 'react'

export type Tone = 'primary' | 'plain' | 'quiet' | 'danger'

const TONES: Record<Tone, string> = {
  primary: 'bg-accent text-accent-ink border-accent hover:border-ink',
  plain: 'bg-raised text-ink border-hairline-strong hover:border-ink-soft hover:bg-sunken',
  quiet: 'border-transparent text-accent hover:bg-accent-wash',
  danger: 'bg-raised text-down border-down hover:bg-down-wash',
}

export const buttonClass = (tone: Tone = 'plain'): string =>
  `inline-flex min-h-8 items-center justify-center gap-1.5 rounded-[4px] border px-3 py-1 text-sm font-medium whitespace-nowrap disabled:pointer-events-none disabled:border-hairline-strong disabled:bg-sunken disabled:text-faint aria-disabled:cursor-not-allowed aria-disabled:border-hairline-strong aria-disabled:bg-sunken aria-disabled:text-faint max-sm:min-h-10 ${TONES[tone]}`

export function Button({
  tone = 'plain',
  className = '',
  ...rest
}: ButtonHTMLAttributes<HTMLButtonElement> & { tone?: Tone; ref?: Ref<HTMLButtonElement> }) {
  return <button type="button" {...rest} className={`${buttonClass(tone)} ${className}`} />
}

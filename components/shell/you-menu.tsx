'use client'

import { CircleUser } from 'lucide-react'
import { DropdownMenu } from 'radix-ui'
import { useMe } from '../data/me.ts'
import { signOut } from '../data/sign-in.ts'
import { setTheme, type Theme, useTheme } from '../ui/theme.ts'
import { setZone, useZone } from '../ui/zone.ts'
import { openHelp } from './help.ts'

const item =
  'flex min-h-8 items-center gap-2 rounded-[3px] px-2 outline-none data-[highlighted]:bg-accent-wash max-sm:min-h-10'
const THEMES: { value: Theme; label: string }[] = [
  { value: 'system', label: 'Theme: as the system' },
  { value: 'light', label: 'Theme: light' },
  { value: 'dark', label: 'Theme: dark' },
]

/** Who is signed in, and this browser's settings. */
export function YouMenu() {
  const { data: me } = useMe()
  const theme = useTheme()
  const zone = useZone()
  return (
    // Not modal: a modal menu hides the page behind it from assistive technology although its links can still get focus.
    <DropdownMenu.Root modal={false}>
      <DropdownMenu.Trigger
        aria-label={me ? `${me.email}, ${me.role}; settings` : 'Settings'}
        className="grid size-8 shrink-0 place-items-center rounded-[4px] text-soft hover:bg-sunken max-sm:size-10"
      >
        <CircleUser size={18} aria-hidden />
      </DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content
          align="end"
          sideOffset={6}
          className="z-50 min-w-56 rounded-[6px] border border-hairline bg-raised p-1 shadow-xl"
        >
          {me && (
            <DropdownMenu.Label className="px-2 py-1.5">
              <div className="truncate font-medium">{me.email}</div>
              <div className="text-faint">{me.role}</div>
            </DropdownMenu.Label>
          )}
          <DropdownMenu.Separator className="my-1 h-px bg-hairline" />
          <DropdownMenu.RadioGroup value={theme} onValueChange={(value) => setTheme(value as Theme)}>
            {THEMES.map((choice) => (
              <DropdownMenu.RadioItem key={choice.value} value={choice.value} className={item}>
                <span className="w-3">{theme === choice.value ? '✓' : ''}</span>
                {choice.label}
              </DropdownMenu.RadioItem>
            ))}
          </DropdownMenu.RadioGroup>
          <DropdownMenu.Separator className="my-1 h-px bg-hairline" />
          <DropdownMenu.Item className={item} onSelect={() => setZone(zone === 'utc' ? 'local' : 'utc')}>
            <span className="w-3" />
            Times: {zone === 'utc' ? 'UTC, show local' : 'local, show UTC'}
          </DropdownMenu.Item>
          <DropdownMenu.Item className={item} onSelect={() => openHelp()}>
            <span className="w-3" />
            Keyboard help
          </DropdownMenu.Item>
          <DropdownMenu.Separator className="my-1 h-px bg-hairline" />
          <DropdownMenu.Item className={item} onSelect={() => void signOut()}>
            <span className="w-3" />
            Sign out
          </DropdownMenu.Item>
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  )
}

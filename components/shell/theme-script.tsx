/** Sets the chosen theme before the first paint. Without a choice the stylesheet follows the system. */
const SCRIPT = `try{var t=localStorage.getItem('tidegate.theme');if(t==='light'||t==='dark')document.documentElement.dataset.theme=t}catch(e){}`

export function ThemeScript({ nonce }: { nonce: string | undefined }) {
  // Browsers hide a nonce from scripts once it is used, so hydration sees an empty attribute.
  // biome-ignore lint/security/noDangerouslySetInnerHtml: a constant of ours, and the policy admits it by nonce alone
  return <script nonce={nonce} suppressHydrationWarning dangerouslySetInnerHTML={{ __html: SCRIPT }} />
}

/** Pictures of the terminal's buttons, like those of `ui/icons.tsx`. */

import { Icon } from "../ui/icons";

export const PasteIcon = () => (
  <Icon>
    <path d="M5.5 3.5h-2v10h9v-10h-2" />
    <rect x="5.5" y="2" width="5" height="3" rx="0.8" />
  </Icon>
);

export const SelectIcon = () => (
  <Icon>
    <path d="M5.5 2.5c1.5 0 2.5.4 2.5 1.2 0-.8 1-1.2 2.5-1.2M5.5 13.5c1.5 0 2.5-.4 2.5-1.2 0 .8 1 1.2 2.5 1.2M8 3.7v8.6M6.3 8h3.4" />
  </Icon>
);

export const SpeakIcon = () => (
  <Icon>
    <path d="M2.5 6.2v3.6h2.4L8.2 13V3L4.9 6.2zM10.6 5.8a3.1 3.1 0 0 1 0 4.4M12.4 4a5.6 5.6 0 0 1 0 8" />
  </Icon>
);

export const SmallerIcon = () => (
  <Icon>
    <path d="m2.5 12.5 3.2-8.5 3.2 8.5M3.6 9.8h4.2M10.5 8h4" />
  </Icon>
);

export const LargerIcon = () => (
  <Icon>
    <path d="m2.5 12.5 3.2-8.5 3.2 8.5M3.6 9.8h4.2M10.5 8h4M12.5 6v4" />
  </Icon>
);

export const ArrowIcon = () => (
  <Icon>
    <path d="M8 13V3.5M4 7.2l4-4 4 4" />
  </Icon>
);

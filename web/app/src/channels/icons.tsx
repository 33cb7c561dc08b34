/** Pictures of the panels' buttons, like those of `ui/icons.tsx`. */

import { Icon } from "../ui/icons";

export const EnlargeIcon = () => (
  <Icon>
    <path d="M9.5 2.5h4v4M13.5 2.5l-4.2 4.2M6.5 13.5h-4v-4M2.5 13.5l4.2-4.2" />
  </Icon>
);

export const TableIcon = () => (
  <Icon>
    <rect x="2.5" y="3" width="11" height="10" rx="1" />
    <path d="M2.5 6.3h11M2.5 9.7h11M6.8 3v10" />
  </Icon>
);

export const KeyboardIcon = () => (
  <Icon>
    <rect x="1.8" y="4" width="12.4" height="8" rx="1.2" />
    <path d="M4.3 6.6h.1M6.8 6.6h.1M9.3 6.6h.1M11.7 6.6h.1M4.8 9.5h6.4" />
  </Icon>
);

/** An arrow to the top, turned by its class. */
export const ArrowIcon = () => (
  <Icon>
    <path d="M8 13V3.5M4 7.2l4-4 4 4" />
  </Icon>
);

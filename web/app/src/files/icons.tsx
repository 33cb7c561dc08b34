/** Pictures of the tree, in the manner of `ui/icons.tsx`. */

import { Icon } from "../ui/icons";

export const FileIcon = () => (
  <Icon>
    <path d="M3.8 1.8h5.4l3 3v9.4H3.8zM9 2v3h3" />
  </Icon>
);

export const ProgramIcon = () => (
  <Icon>
    <path d="M3.8 1.8h5.4l3 3v9.4H3.8zM9 2v3h3M7 8l-1.2 1.5L7 11M9 8l1.2 1.5L9 11" />
  </Icon>
);

export const PictureIcon = () => (
  <Icon>
    <rect x="2" y="3" width="12" height="10" rx="1" />
    <path d="m2.5 11.5 3.5-3.5 2.5 2.5 2-1.8 3 2.8" />
    <circle cx="10.5" cy="6" r="0.8" />
  </Icon>
);

export const FolderIcon = () => (
  <Icon>
    <path d="M1.8 12.5v-9h4.4l1.5 1.8h6.5v7.2z" />
  </Icon>
);

export const ArrowIcon = () => (
  <Icon>
    <path d="m6 4 4 4-4 4" />
  </Icon>
);

export const MoreIcon = () => (
  <Icon>
    <g fill="currentColor" stroke="none">
      <circle cx="3" cy="8" r="1.3" />
      <circle cx="8" cy="8" r="1.3" />
      <circle cx="13" cy="8" r="1.3" />
    </g>
  </Icon>
);

export const NewFileIcon = () => (
  <Icon>
    <path d="M8.5 14.2H3.2V1.8h5.4l3 3v2.7M8.4 2v3h3M12 10v4.5M9.8 12.2h4.4" />
  </Icon>
);

export const NewFolderIcon = () => (
  <Icon>
    <path d="M8 12.5H1.8v-9h4.4l1.5 1.8h6.5v2.5M12 9.5V14M9.8 11.7h4.4" />
  </Icon>
);

export const UploadIcon = () => (
  <Icon>
    <path d="M8 10.5V3M4.8 6 8 2.8 11.2 6M2.8 13.2h10.4" />
  </Icon>
);

"""What every end-to-end suite stands on; see CONTRIBUTING.md."""

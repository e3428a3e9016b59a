FROM arm64v8

